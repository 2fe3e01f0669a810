"""What training and tracking cost: time, memory, arithmetic."""
