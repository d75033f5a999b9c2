"""Sentences to prove an export on where no data is given: short and long, plain and odd, of several languages."""

SENTENCES = (
    "yes",
    "Thank you!",
    "Where is my parcel?",
    "The film is slow, but the ending makes up for it.",
    "I would like to cancel the order that I placed on Monday, please.",
    "Nothing works since the last update; I have restarted it three times now and it still shows a blank page.",
    "He scored twice in the second half, and the visitors never came back into the match.",
    "Shares fell 3.2 % on Tuesday after the company cut its forecast for the year to $1.4bn.",
    "what a waste of time...",
    "Can you tell me the balance of my savings account and the last five transfers from it?",
    "A warm, funny and wise little book, which I gave to my mother as soon as I had read it.",
    "not good, not bad",
    "WHY IS THIS SO EXPENSIVE???",
    "See https://example.org/help?id=42 or write to help@example.org.",
    "The soup was cold, the bread was old, and the waiter forgot the wine, but the view over the bay is the best in "
    "town and the dessert alone is worth the climb up those two hundred steps.",
    "Turn off the lights in the kitchen at half past ten",
    "C'est magnifique, mais ce n'est pas la guerre.",
    "Das Gerät lässt sich nicht mehr einschalten.",
    "El envío llegó tarde y la caja estaba rota.",
    "Спасибо, всё работает.",
    "この映画はとても面白かったです。",
    "الخدمة ممتازة",
    "😀 great!! 10/10 👍",
    "The committee, which had met in private for most of the afternoon, published a statement shortly before midnight "
    "in which it regretted the delay, thanked the staff for their patience, and announced that the vote would be "
    "repeated in spring, when the new rules on voting by post, about which members had complained, would be in force.",
)
