"""The support-desk grammar: what customers want, and the ways in which they say so.

An intent is a set of verbs and objects that combine freely, and a few complaints that imply it. A frame
is a clause around one of them. What makes the data hard is in the frames: a text often holds a wanted and an
unwanted clause, in either order, and only which intent stands in which clause tells what is meant.

In a frame `{do}` is "cancel my order", `{doing}` "cancelling my order", `{it}` "my order" and `{done}`
"cancelled"; `PAIRED` frames say the same of a wanted (`w`) and an unwanted (`d`) intent.
"""

from dataclasses import dataclass
from typing import NamedTuple


class Verb(NamedTuple):
    """One verb in the three forms that frames ask for."""

    base: str
    gerund: str
    participle: str


@dataclass(frozen=True)
class Intent:
    """One thing that a customer may want: every verb goes with every object."""

    name: str
    verbs: tuple[Verb, ...]
    objects: tuple[str, ...]  # singular, so that "has been" follows
    complaints: tuple[str, ...]  # whole clauses that imply the intent


def _intent(name: str, verbs: str, objects: str, complaints: str) -> Intent:
    return Intent(
        name,
        tuple(Verb(*forms.split("/")) for forms in verbs.split(", ")),
        tuple(objects.split(", ")),
        tuple(complaints.split(", ")),
    )


INTENTS = (
    _intent(
        "cancel_order",
        "cancel/cancelling/cancelled, call off/calling off/called off, stop/stopping/stopped",
        "my order, order {order}, my {product} order, the order from {day}, the purchase of the {product}",
        "i ordered the {product} by mistake, i no longer need the {product} i ordered",
    ),
    _intent(
        "change_address",
        "change/changing/changed, update/updating/updated, correct/correcting/corrected",
        "my delivery address, the shipping address, the address on order {order}, my home address",
        "i have moved to {city}, the street on my order is wrong",
    ),
    _intent(
        "track_order",
        "track/tracking/tracked, locate/locating/located, trace/tracing/traced",
        "my parcel, order {order}, my {product} order, the package from {day}, my shipment",
        "i do not know where my parcel is, the tracking link shows nothing",
    ),
    _intent(
        "reschedule_delivery",
        "move/moving/moved, reschedule/rescheduling/rescheduled, postpone/postponing/postponed",
        "my delivery, the delivery of the {product}, the delivery slot on {day}, the drop-off on {day}",
        "i will not be at home on {day}, the delivery time does not suit me",
    ),
    _intent(
        "return_item",
        "return/returning/returned, send back/sending back/sent back, give back/giving back/given back",
        "the {product}, my {product}, the {product} from order {order}, the {product} i bought on {day}",
        "i need a return label, the {product} is not for me after all",
    ),
    _intent(
        "exchange_item",
        "exchange/exchanging/exchanged, swap/swapping/swapped, trade in/trading in/traded in",
        "the {product}, my {product}, the {product} from order {order}, the {product} i bought on {day}",
        "the {product} is the wrong size, i received the {product} in the wrong colour",
    ),
    _intent(
        "report_damage",
        "report/reporting/reported, log/logging/logged, document/documenting/documented",
        "a broken {product}, the damaged {product}, a crack in the {product}, the damage to my parcel",
        "the {product} arrived in pieces, my {product} was broken in the box",
    ),
    _intent(
        "claim_warranty",
        "claim/claiming/claimed, register/registering/registered, extend/extending/extended",
        "the warranty on my {product}, my warranty, the guarantee for the {product}, the {product} guarantee",
        "my {product} failed after {count} months, the {product} stopped working within the guarantee",
    ),
    _intent(
        "request_refund",
        "refund/refunding/refunded, reimburse/reimbursing/reimbursed, pay back/paying back/paid back",
        "the {product}, order {order}, the {amount} i paid, the money for the {product}, my payment",
        "i want my money back, i paid {amount} for nothing",
    ),
    _intent(
        "refund_status",
        "check/checking/checked, chase/chasing/chased, look up/looking up/looked up",
        "my refund, the refund of {amount}, the refund for order {order}, the refund for the {product}",
        "my refund has not arrived, the {amount} is not back on my account",
    ),
    _intent(
        "dispute_charge",
        "dispute/disputing/disputed, reverse/reversing/reversed, investigate/investigating/investigated",
        "a charge of {amount}, the double charge, the {amount} charge from {day}, an unknown payment",
        "i was charged twice, there is a payment of {amount} i never made",
    ),
    _intent(
        "update_payment",
        "update/updating/updated, replace/replacing/replaced, change/changing/changed",
        "my credit card, my payment method, the card on my account, my bank account, the card you charge",
        "my card has expired, the bank gave me a new card",
    ),
    _intent(
        "get_invoice",
        "send/sending/sent, email/emailing/emailed, forward/forwarding/forwarded",
        "the invoice, the invoice for order {order}, a receipt for the {product}, my bill from {day}",
        "i never got an invoice, my accountant is missing the receipt for order {order}",
    ),
    _intent(
        "apply_discount",
        "apply/applying/applied, redeem/redeeming/redeemed, activate/activating/activated",
        "my discount code, the voucher for the {product}, my {count} percent coupon, the promo code",
        "the voucher was not accepted, my discount is missing on order {order}",
    ),
    _intent(
        "add_gift_wrap",
        "add/adding/added, include/including/included, arrange/arranging/arranged",
        "gift wrapping, a gift card with order {order}, gift paper for the {product}, a greeting card",
        "the {product} is a present, order {order} is a birthday surprise",
    ),
    _intent(
        "reset_password",
        "reset/resetting/reset, renew/renewing/renewed, change/changing/changed",
        "my password, the password for my account, my login password, my old password",
        "i forgot my password, my password is not accepted",
    ),
    _intent(
        "unlock_account",
        "unlock/unlocking/unlocked, reactivate/reactivating/reactivated, restore/restoring/restored",
        "my account, my profile, the account for {email}, the login for my account",
        "i am locked out, my account is blocked after {count} attempts",
    ),
    _intent(
        "close_account",
        "close/closing/closed, delete/deleting/deleted, erase/erasing/erased",
        "my account, my profile, the account for {email}, my customer account",
        "i am leaving your shop for good, i do not want to be a customer any more",
    ),
    _intent(
        "change_email",
        "change/changing/changed, update/updating/updated, edit/editing/edited",
        "my email address, the email on my account, my contact email, my login email",
        "my mailbox {email} is gone, my messages go to an old mailbox",
    ),
    _intent(
        "stop_newsletter",
        "stop/stopping/stopped, switch off/switching off/switched off, end/ending/ended",
        "the newsletter, your weekly newsletter, the advertising by email, the marketing mail",
        "i get too much advertising, your newsletter fills my mailbox",
    ),
    _intent(
        "cancel_subscription",
        "cancel/cancelling/cancelled, end/ending/ended, terminate/terminating/terminated",
        "my subscription, my membership, the {plan} subscription, my {plan} plan",
        "i no longer use the {plan} plan, the membership is not worth it",
    ),
    _intent(
        "pause_subscription",
        "pause/pausing/paused, freeze/freezing/frozen, suspend/suspending/suspended",
        "my subscription, my membership, the {plan} subscription, my {plan} plan",
        "i will not need the {plan} plan for {count} months, i am abroad for {count} months",
    ),
    _intent(
        "upgrade_plan",
        "upgrade/upgrading/upgraded, extend/extending/extended, expand/expanding/expanded",
        "my plan, my {plan} plan, the {plan} subscription, our team plan",
        "the {plan} plan is too small for us, we need more seats than the {plan} plan has",
    ),
    _intent(
        "book_technician",
        "book/booking/booked, arrange/arranging/arranged, schedule/scheduling/scheduled",
        "a technician, a repair visit, an installation of the {product}, an engineer for the {product}",
        "i cannot install the {product} myself, somebody has to come and fix the {product}",
    ),
)

# Clauses that ask for what they mention. One holds a negation all the same.
WANTED = (
    "please {do}",
    "can you {do}",
    "could you please {do}",
    "i need you to {do}",
    "i would like to {do}",
    "i need help with {doing}",
    "how can i {do}",
    "please do not forget to {do}",
    "i need {it} to be {done}",
    "it is time to {do}",
    "{it} has still not been {done}",
)

# Clauses that mention what is done, not wanted, or somebody else's affair.
UNWANTED = (
    "do not {do}",
    "i do not want to {do}",
    "there is no need to {do}",
    "no need for {doing}",
    "{it} has already been {done}",
    "you have already {done} {it}",
    "thanks for {doing} last week",
    "my {person} wants to {do}",
    "i am not asking you to {do}",
    "i have already managed to {do}",
    "please forget about {doing}",
)

# The same for a complaint.
WANTED_COMPLAINTS = ("{complaint}", "please help, {complaint}", "i need help because {complaint}")
UNWANTED_COMPLAINTS = ("it is solved already that {complaint}", "it is no longer true that {complaint}")

# One clause that names both, in either order.
PAIRED = (
    "i would like to {w.do}, not to {d.do}",
    "i do not want to {d.do} but to {w.do}",
    "please {w.do} instead of {d.doing}",
    "instead of {d.doing} please {w.do}",
    "i need to {w.do} rather than {d.do}",
    "rather than {d.do} i need to {w.do}",
    "my {person} wants to {d.do} but i need to {w.do}",
    "i need to {w.do} while my {person} wants to {d.do}",
    "thanks for {d.doing} last week, now please {w.do}",
)

UNWANTED_FIRST = ("{d}, but {w}", "{d}. {w}", "{d}, {w}", "{d}; {w}")
WANTED_FIRST = ("{w}, but {d}", "{w}. {d}", "{w}, {d}", "{w}; {d}")

GREETINGS = ("hi", "hello", "hey there", "good morning", "dear support", "hello {name}", "hi team")
ASIDES = (
    "i have been a customer for {count} years",
    "your website is slow today",
    "i wrote to you on {day}",
    "i am writing from {city}",
    "this is about order {order}",
    "i have the {plan} plan",
)
CLOSINGS = ("thanks", "thank you", "regards, {name}", "best, {name}", "asap", "cheers", "many thanks, {name}")

SLOTS = {
    "product": (
        "jacket",
        "blender",
        "laptop",
        "kettle",
        "desk lamp",
        "coffee machine",
        "backpack",
        "phone",
        "tent",
        "headset",
        "office chair",
        "vacuum cleaner",
        "camera",
        "rice cooker",
        "monitor",
        "raincoat",
    ),
    "plan": ("basic", "premium", "family", "student", "business"),
    "name": ("Maria", "Tom", "Aisha", "Jonas", "Priya", "Lena", "Carlos", "Mei", "Omar", "Julia"),
    "city": ("Leeds", "Berlin", "Porto", "Lyon", "Dublin", "Oslo", "Turin", "Ghent"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "person": ("wife", "husband", "colleague", "sister", "brother", "neighbour", "boss", "flatmate"),
    "email": tuple(f"{name}@mail.com" for name in ("maria", "tom", "aisha", "jonas", "priya", "lena")),
    # A number seen once is a text learned by heart, so that numbers come from short lists.
    "order": tuple(str(number) for number in range(2117, 10000, 197)),
    "amount": tuple(
        f"{number} {coin}" for number in (19, 25, 49, 80, 120, 250) for coin in ("euros", "pounds")
    ),
    "count": ("two", "three", "four", "five", "six", "ten"),
}
