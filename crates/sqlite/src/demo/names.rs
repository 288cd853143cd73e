//! What people, streets and dishes are called in the town. All invented.

pub(super) const FIRST_NAMES: &[&str] = &[
    "Ada", "Amir", "Bea", "Bruno", "Carla", "Cem", "Dalia", "Dario", "Edda", "Emil", "Farah",
    "Finn", "Greta", "Hugo", "Ines", "Ivo", "Jana", "Jonas", "Kaja", "Kofi", "Lena", "Luca",
    "Maren", "Milo", "Nadia", "Nils", "Olga", "Oskar", "Petra", "Quentin", "Rosa", "Samir",
    "Selma", "Timo", "Ulla", "Viktor", "Wanda", "Yara", "Yusuf", "Zoe",
];

pub(super) const LAST_NAMES: &[&str] = &[
    "Abbas", "Arndt", "Bellini", "Brandt", "Castro", "Demir", "Eklund", "Farkas", "Gruber",
    "Haddad", "Ito", "Jansen", "Kaya", "Kowal", "Lindqvist", "Marek", "Moreau", "Nakata", "Novak",
    "Okafor", "Peeters", "Quist", "Rossi", "Santos", "Silva", "Tamm", "Ueda", "Varga", "Weber",
    "Zeman",
];

pub(super) const STREETS: &[&str] = &[
    "Alder Lane", "Bakers Row", "Canal Street", "Dovecote Hill", "Elm Street", "Ferry Road",
    "Garden Walk", "Harbour Street", "Iron Bridge", "Juniper Way", "King's Mill", "Linden Avenue",
    "Market Square", "North Quay", "Orchard Street", "Potters Yard", "Quarry Road", "River Street",
    "Station Road", "Tanners Lane",
];

pub(super) const RESTAURANTS: &[&str] = &[
    "Heron", "Lantern", "Pebble", "Thistle", "Copperleaf", "Juniper", "Magpie", "Otter", "Quill",
    "Saltbox", "Tinder", "Wren", "Bramble", "Cinder", "Dapple", "Elderflower", "Foxglove", "Gable",
    "Hazel", "Inkwell", "Kestrel", "Lilac", "Marigold", "Nettle", "Oriel", "Parsley", "Rookery",
    "Sorrel", "Tamarind", "Umber", "Verbena", "Walnut", "Yarrow", "Zephyr", "Acorn", "Bluebell",
    "Clover", "Driftwood", "Ember", "Fennel",
];

/// A kitchen: what it is called, what its restaurants end in, and its dishes with their prices in
/// cents and whether they are vegetarian.
pub(super) struct Cuisine {
    pub(super) name: &'static str,
    pub(super) ending: &'static str,
    pub(super) dishes: &'static [(&'static str, i64, bool)],
}

pub(super) const CUISINES: &[Cuisine] = &[
    Cuisine {
        name: "italian",
        ending: "Trattoria",
        dishes: &[
            ("Margherita", 950, true),
            ("Pizza with artichokes", 1190, true),
            ("Spicy salami pizza", 1250, false),
            ("Gnocchi with sage butter", 1320, true),
            ("Tagliatelle with ragù", 1390, false),
            ("Aubergine bake", 1150, true),
            ("Minestrone", 690, true),
            ("Tiramisù", 590, true),
        ],
    },
    Cuisine {
        name: "japanese",
        ending: "Noodle Bar",
        dishes: &[
            ("Miso ramen", 1350, false),
            ("Vegetable udon", 1180, true),
            ("Chicken katsu curry", 1420, false),
            ("Salmon donburi", 1590, false),
            ("Agedashi tofu", 650, true),
            ("Gyoza, six pieces", 720, false),
            ("Seaweed salad", 480, true),
            ("Matcha pudding", 520, true),
        ],
    },
    Cuisine {
        name: "indian",
        ending: "Curry House",
        dishes: &[
            ("Chana masala", 1090, true),
            ("Palak paneer", 1190, true),
            ("Butter chicken", 1390, false),
            ("Lamb rogan josh", 1490, false),
            ("Vegetable biryani", 1220, true),
            ("Garlic naan", 320, true),
            ("Onion bhaji", 490, true),
            ("Mango lassi", 390, true),
        ],
    },
    Cuisine {
        name: "mexican",
        ending: "Cantina",
        dishes: &[
            ("Black bean burrito", 1050, true),
            ("Tacos al pastor", 1190, false),
            ("Fish tacos", 1290, false),
            ("Quesadilla", 890, true),
            ("Chicken mole", 1450, false),
            ("Corn salad", 590, true),
            ("Guacamole and chips", 690, true),
            ("Churros", 520, true),
        ],
    },
    Cuisine {
        name: "levantine",
        ending: "Mezze",
        dishes: &[
            ("Falafel plate", 990, true),
            ("Chicken shawarma", 1090, false),
            ("Hummus with lamb", 1250, false),
            ("Shakshuka", 1050, true),
            ("Tabbouleh", 640, true),
            ("Stuffed vine leaves", 690, true),
            ("Lentil soup", 590, true),
            ("Baklava", 450, true),
        ],
    },
    Cuisine {
        name: "thai",
        ending: "Wok",
        dishes: &[
            ("Green curry with tofu", 1190, true),
            ("Red curry with duck", 1520, false),
            ("Pad thai with prawns", 1350, false),
            ("Basil chicken", 1280, false),
            ("Tom kha soup", 760, false),
            ("Papaya salad", 790, true),
            ("Summer rolls", 620, true),
            ("Mango sticky rice", 590, true),
        ],
    },
    Cuisine {
        name: "burgers",
        ending: "Grill",
        dishes: &[
            ("Smash burger", 1090, false),
            ("Mushroom burger", 1050, true),
            ("Blue cheese burger", 1250, false),
            ("Halloumi wrap", 990, true),
            ("Chicken wings", 890, false),
            ("Fries", 390, true),
            ("Coleslaw", 350, true),
            ("Vanilla shake", 490, true),
        ],
    },
    Cuisine {
        name: "bakery",
        ending: "Bakehouse",
        dishes: &[
            ("Spinach quiche", 720, true),
            ("Ham and leek tart", 780, false),
            ("Cheese sourdough toast", 850, true),
            ("Soup of the day", 640, true),
            ("Cinnamon bun", 350, true),
            ("Almond croissant", 390, true),
            ("Apple crumble", 480, true),
            ("Rhubarb lemonade", 380, true),
        ],
    },
];

pub(super) const NOTES: &[&str] = &[
    "Please ring twice.",
    "No cutlery, thank you.",
    "Third floor, the lift is broken.",
    "Extra napkins, please.",
    "Leave it with the neighbour.",
    "Mind the dog.",
    "Nut allergy!",
];

/// What is said for one star, two stars and so on.
pub(super) const REVIEWS: [&[&str]; 5] = [
    &["Cold, and half of it was missing.", "Never again.", "Not what I ordered."],
    &["Took very long.", "Rather bland this time.", "The soup had leaked."],
    &["All right.", "Decent for the price.", "Good, but small."],
    &["Very tasty, came warm.", "Friendly courier, good food.", "Will order again."],
    &["Best in town!", "Hot, quick and delicious.", "Everybody loved it.", "Perfect."],
];
