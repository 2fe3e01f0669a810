"""Which videos and frames the datasets are made of, as their authors define them."""

import re


def _rows(table: str) -> list[list[str]]:
    """Split ``a 1 2, b 3`` into ``[[a, 1, 2], [b, 3]]``."""
    return [row.split() for row in table.split(',')]


# The numbers of the test videos of each category; all others are for training.
LASOT_TEST = [
    f'{category}-{number}'
    for category, *numbers in _rows("""
airplane 1 9 13 15, basketball 1 6 7 11, bear 2 4 6 17, bicycle 2 7 9 18,
bird 2 3 15 17, boat 3 4 12 17, book 3 10 11 19, bottle 1 12 14 18, bus 2 5 17 19,
car 2 6 9 17, cat 1 3 18 20, cattle 2 7 12 13, chameleon 3 6 11 20, coin 3 6 7 18,
crab 3 6 12 18, crocodile 3 4 10 14, cup 1 4 7 17, deer 4 8 10 14, dog 1 7 15 19,
drone 2 7 13 15, electricfan 1 10 18 20, elephant 1 12 16 18, flag 2 3 5 9,
fox 2 3 5 20, frog 3 4 9 20, gametarget 1 2 7 13, gecko 1 5 16 19, giraffe 2 10 13 15,
goldfish 3 7 8 10, gorilla 4 6 9 13, guitar 3 8 10 16, hand 2 3 9 16, hat 1 2 5 18,
helmet 5 11 13 19, hippo 1 7 9 20, horse 1 4 12 15, kangaroo 2 5 11 14,
kite 4 6 10 15, leopard 1 7 16 20, licenseplate 6 12 13 15, lion 1 5 12 20,
lizard 1 3 6 13, microphone 2 6 14 16, monkey 3 4 9 17, motorcycle 1 3 9 18,
mouse 1 8 9 17, person 1 5 10 12, pig 2 10 13 18, pool 3 7 12 15, rabbit 10 13 17 19,
racing 10 15 16 20, robot 1 5 8 19, rubicCube 1 6 14 19, sepia 6 8 13 16,
shark 2 3 5 6, sheep 3 5 7 9, skateboard 3 8 16 19, spider 14 16 18 20,
squirrel 8 11 13 19, surfboard 4 5 8 12, swing 10 14 17 20, tank 6 9 14 16,
tiger 4 6 12 18, train 1 7 11 20, truck 3 6 7 16, turtle 5 8 9 16, umbrella 2 9 17 19,
volleyball 1 13 18 19, yoyo 7 15 17 19, zebra 10 14 16 17
""")
    for number in numbers
]

# First and last frame of each video in its folder of frames, which the parts of a
# long video (bird1_1, bird1_2, ...) share.
UAV123 = {
    name: tuple(map(int, frames.split('-')))
    for name, frames in _rows("""
bike1 1-3085, bike2 1-553, bike3 1-433, bird1_1 1-253, bird1_2 775-1477,
bird1_3 1573-2437, boat1 1-901, boat2 1-799, boat3 1-901, boat4 1-553, boat5 1-505,
boat6 1-805, boat7 1-535, boat8 1-685, boat9 1-1399, building1 1-469, building2 1-577,
building3 1-829, building4 1-787, building5 1-481, car1_1 1-751, car1_2 751-1627,
car1_3 1627-2629, car2 1-1321, car3 1-1717, car4 1-1345, car5 1-745, car6_1 1-487,
car6_2 487-1807, car6_3 1807-2953, car6_4 2953-3925, car6_5 3925-4861, car7 1-1033,
car8_1 1-1357, car8_2 1357-2575, car9 1-1879, car10 1-1405, car11 1-337, car12 1-499,
car13 1-415, car14 1-1327, car15 1-469, car16_1 1-415, car16_2 415-1993, car17 1-1057,
car18 1-1207, group1_1 1-1333, group1_2 1333-2515, group1_3 2515-3925,
group1_4 3925-4873, group2_1 1-907, group2_2 907-1771, group2_3 1771-2683,
group3_1 1-1567, group3_2 1567-2827, group3_3 2827-4369, group3_4 4369-5527,
person1 1-799, person2_1 1-1189, person2_2 1189-2623, person3 1-643, person4_1 1-1501,
person4_2 1501-2743, person5_1 1-877, person5_2 877-2101, person6 1-901,
person7_1 1-1249, person7_2 1249-2065, person8_1 1-1075, person8_2 1075-1525,
person9 1-661, person10 1-1021, person11 1-721, person12_1 1-601, person12_2 601-1621,
person13 1-883, person14_1 1-847, person14_2 847-1813, person14_3 1813-2923,
person15 1-1339, person16 1-1147, person17_1 1-1501, person17_2 1501-2347,
person18 1-1393, person19_1 1-1243, person19_2 1243-2791, person19_3 2791-4357,
person20 1-1783, person21 1-487, person22 1-199, person23 1-397, truck1 1-463,
truck2 1-385, truck3 1-535, truck4_1 1-577, truck4_2 577-1261, uav1_1 1-1555,
uav1_2 1555-2377, uav1_3 2473-3469, uav2 1-133, uav3 1-265, uav4 1-157, uav5 1-139,
uav6 1-109, uav7 1-373, uav8 1-301, wakeboard1 1-421, wakeboard2 1-733,
wakeboard3 1-823, wakeboard4 1-697, wakeboard5 1-1675, wakeboard6 1-1165,
wakeboard7 1-199, wakeboard8 1-1543, wakeboard9 1-355, wakeboard10 1-469,
car1_s 1-1475, car2_s 1-320, car3_s 1-1300, car4_s 1-830, person1_s 1-1600,
person2_s 1-250, person3_s 1-505
""")
}


def uav123_folder(name: str) -> str:
    """The folder of frames of a UAV123 video: ``bird1`` for ``bird1_2``."""
    return re.sub(r'_\d+$', '', name)


# The folders of OTB100; two of them have two targets each, which makes 100 videos.
OTB100 = """
Basketball Biker Bird1 Bird2 BlurBody BlurCar1 BlurCar2 BlurCar3 BlurCar4 BlurFace
BlurOwl Board Bolt Bolt2 Box Boy Car1 Car2 Car24 Car4 CarDark CarScale ClifBar Coke
Couple Coupon Crossing Crowds Dancer Dancer2 David David2 David3 Deer Diving Dog Dog1
Doll DragonBaby Dudek FaceOcc1 FaceOcc2 Fish FleetFace Football Football1 Freeman1
Freeman3 Freeman4 Girl Girl2 Gym Human2 Human3 Human4 Human5 Human6 Human7 Human8
Human9 Ironman Jogging Jump Jumping KiteSurf Lemming Liquor Man Matrix Mhyang
MotorRolling MountainBike Panda RedTeam Rubik Shaking Singer1 Singer2 Skater Skater2
Skating1 Skating2 Skiing Soccer Subway Surfer Suv Sylvester Tiger1 Tiger2 Toy Trans
Trellis Twinnings Vase Walking Walking2 Woman
""".split()

# First and last frame of the OTB videos that do not use their whole folder.
OTB100_FRAMES = {
    'BlurCar1': (247, 988),
    'BlurCar3': (3, 359),
    'BlurCar4': (18, 397),
    'David': (300, 770),
    'Diving': (1, 215),
    'Football1': (1, 74),
    'Freeman3': (1, 460),
    'Freeman4': (1, 283),
    'Tiger1': (6, 354),
}

# How many boxes at the start of the file are not used: no tracker is started there.
OTB100_OMITTED_BOXES = {'Tiger1': 5}

# What the columns of the attribute files stand for.
LASOT_ATTRIBUTES = (
    'IV',
    'POC',
    'DEF',
    'MB',
    'CM',
    'ROT',
    'BC',
    'VC',
    'SV',
    'FOC',
    'FM',
    'OV',
    'LR',
    'ARC',
)
OTB100_ATTRIBUTES = ('IV', 'OPR', 'SV', 'OCC', 'DEF', 'MB', 'FM', 'IPR', 'OV', 'BC', 'LR')
TNL2K_ATTRIBUTES = (
    'CM',
    'ROT',
    'DEF',
    'FOC',
    'IV',
    'OV',
    'POC',
    'VC',
    'SV',
    'BC',
    'MB',
    'ARC',
    'LR',
    'FM',
    'AS',
    'TC',
    'MS',
)
UAV123_ATTRIBUTES = (
    'SV',
    'ARC',
    'LR',
    'FM',
    'FOC',
    'POC',
    'OV',
    'BC',
    'IV',
    'VC',
    'CM',
    'SOB',
)
