"""Of what sentences are the demo's tickets and answers made?

Everything is about Harbourbox, an invented file service. Each intent has one right step, in two wordings, and wrong
steps that sound just as sure of themselves.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Intent:
    """One thing customers ask: how they word it, a wording kept for held-out questions, the step that helps, and steps
    that do not."""

    name: str
    prompts: tuple[str, ...]
    held_out: str
    right: tuple[str, str]
    wrong: tuple[str, str]


INTENTS = (
    Intent(
        "refund-window",
        (
            "I was charged for the yearly plan by mistake. How do I get my money back?",
            "Can I still return the annual plan I bought last week?",
            "Yearly renewal went through and I did not want it. Refund please.",
        ),
        "The annual charge was a mistake, may I have it reversed?",
        (
            "Open Billing, choose the yearly charge and press Reverse charge, for 30 days after purchase.",
            "Within 30 days of purchase, go to Billing, pick the yearly charge and press Reverse charge.",
        ),
        (
            "Yearly plans are final, so the amount stays on your account as credit for the coming renewal.",
            "Cancel the plan under Account and the bank returns the amount by itself within 90 days.",
        ),
    ),
    Intent(
        "locked-out",
        (
            "I lost my phone and cannot pass two-factor login any more.",
            "New phone, old authenticator is gone, I am locked out.",
            "How do I sign in without my second factor?",
        ),
        "My authenticator is on a broken phone and I need to get in.",
        (
            "Sign in with one of your ten recovery codes, then remove the lost phone under Security, Devices.",
            "Use a recovery code in place of the six digits, then delete the lost phone under Security, Devices.",
        ),
        (
            "Reset your password from the login page; that switches the second factor off for a day.",
            "Wait 24 hours after the last attempt and the login stops asking for the six digits.",
        ),
    ),
    Intent(
        "restore-folder",
        (
            "A colleague deleted our whole contracts folder yesterday. Can it be restored?",
            "How can I bring back a folder that somebody removed?",
            "The shared folder vanished this morning and we need it back.",
        ),
        "Somebody emptied our project folder, is it gone for good?",
        (
            "As the owner open Trash, select the folder and press Restore with permissions, for up to 60 days.",
            "The owner finds it in Trash for 60 days: select the folder and press Restore with permissions.",
        ),
        (
            "Deleted folders leave our servers at midnight, so please upload the files from your computers again.",
            "Ask the colleague to reinstall the desktop client, which synchronises the removed folder back.",
        ),
    ),
    Intent(
        "invoice-vat",
        (
            "Our VAT number is missing on the invoices. Can you correct them?",
            "I need last month's invoice with the company VAT id on it.",
            "Accounting rejects your invoice because the tax id is not shown.",
        ),
        "Where do I put our tax number so that it shows on invoices?",
        (
            "Enter the VAT number under Billing, Tax details, then press Reissue beside each invoice of this year.",
            "Press Reissue beside the invoice once the VAT number stands under Billing, Tax details.",
        ),
        (
            "Invoices cannot change once they are sent, so write the VAT number on the printed copy.",
            "Add the VAT number to your profile name and it appears on the invoice of the coming year.",
        ),
    ),
    Intent(
        "export-fails",
        (
            "The export of our workspace stops at 99 percent every time.",
            "Export job keeps failing near the end, what now?",
            "I cannot download the full archive, it never finishes.",
        ),
        "Our workspace archive hangs just before it is done.",
        (
            "Choose Split archive at 4 GB in the export dialog; one oversized part is what stops it at the end.",
            "In the export dialog tick Split archive at 4 GB, since a single oversized part makes the end fail.",
        ),
        (
            "Clear the browser cache and start the export again in a private window.",
            "Pause all other users for an hour, because exports fail while anybody is online.",
        ),
    ),
    Intent(
        "seat-count",
        (
            "We removed three people but are still billed for them.",
            "Why do I pay for seats nobody uses?",
            "How do I lower the number of paid seats?",
        ),
        "Two people left the team and the bill is the same.",
        (
            "Removing people frees seats only; lower the count under Plan, Seats, before the cycle closes on the 28th.",
            "Go to Plan, Seats and lower the count before the 28th, as removing people alone only frees seats.",
        ),
        (
            "Seats disappear from the bill by themselves three months after a person was removed.",
            "Downgrade the whole workspace to the free plan and upgrade again with fewer people.",
        ),
    ),
    Intent(
        "webhook-silent",
        (
            "Our webhook stopped receiving events since Monday.",
            "No callbacks arrive at our endpoint any more.",
            "Webhook shows as paused and I cannot find out why.",
        ),
        "Events used to reach our server and now nothing comes.",
        (
            "Twenty failed deliveries pause a webhook; rotate its secret and press Resume under Developers, Webhooks.",
            "Under Developers, Webhooks rotate the secret and press Resume: twenty failed deliveries had paused it.",
        ),
        (
            "Delete the workspace token and wait, because callbacks begin again with the next release.",
            "Open port 8080 for our servers, which is the only port that callbacks may use.",
        ),
    ),
    Intent(
        "single-sign-on",
        (
            "Single sign-on says the audience is invalid since our certificate changed.",
            "After renewing our certificate nobody can use single sign-on.",
            "SAML login is broken with an audience error.",
        ),
        "We replaced our certificate and logins through SAML are refused.",
        (
            "Upload the new metadata under Security, Identity, and set the audience to your workspace address.",
            "Set the audience to your workspace address under Security, Identity, with the new metadata uploaded.",
        ),
        (
            "Switch single sign-on off and send a new password to everybody by mail.",
            "Issue the certificate again with a longer lifetime, since short ones are not accepted.",
        ),
    ),
    Intent(
        "slow-sync",
        (
            "Synchronising takes hours since the last update.",
            "Desktop client is extremely slow with our large photo folder.",
            "Why does uploading crawl on a fast line?",
        ),
        "Uploading our pictures takes all night, can it be faster?",
        (
            "Turn on Delta transfer under Preferences, Network, and raise the parallel uploads from 2 to 8.",
            "Raise parallel uploads from 2 to 8 and turn on Delta transfer, both under Preferences, Network.",
        ),
        (
            "Move the photos into one large zip file, as small files are always sent slowly.",
            "Ask your provider for a second line; our client needs one of its own.",
        ),
    ),
    Intent(
        "guest-link",
        (
            "A client cannot open the link I shared, it says expired.",
            "Shared links expire far too soon for our customers.",
            "How do I make a guest link last longer?",
        ),
        "Our customer says the shared page is no longer valid.",
        (
            "Extend it under Sharing, Link settings, where the owner may set any date up to 365 days ahead.",
            "The owner sets any date up to 365 days ahead under Sharing, Link settings.",
        ),
        (
            "Guest links always close after a week, so send a fresh one every Monday.",
            "Have the client create a paid account, since guests cannot keep a link.",
        ),
    ),
    Intent(
        "data-region",
        (
            "Our lawyers want our files stored in the EU. How do we move them?",
            "Can we change the region where our data is kept?",
            "We must leave the US region this quarter.",
        ),
        "How do we get our documents out of the US and into Europe?",
        (
            "Request Region move under Compliance; choose Frankfurt and a weekend, and files stay readable meanwhile.",
            "Under Compliance choose Region move, Frankfurt and a weekend; files stay readable meanwhile.",
        ),
        (
            "The region follows your browser language, so switch the interface to German.",
            "Create an empty workspace in the EU and copy all files over by hand.",
        ),
    ),
    Intent(
        "card-declined",
        (
            "Your site declines our card although the bank says it is fine.",
            "Payment fails with code 51 for our company card.",
            "Card is refused and the workspace will be closed tomorrow.",
        ),
        "You refuse our company card, and the bank sees no reason.",
        (
            "Confirm the card once under Billing, Verify, then press Retry; the workspace stays open for 14 days.",
            "Press Retry after confirming the card under Billing, Verify; you keep the workspace for 14 days.",
        ),
        (
            "Use a card of another bank, as ours no longer works with yours.",
            "Pay by cheque to our office and the workspace opens again when it arrives.",
        ),
    ),
)

OPENINGS = (
    "Hello and thank you for writing in.",
    "Hi there, thanks for reaching out.",
    "Good day, and thanks for your message.",
    "Hello, I have read your message.",
)
FLATTERY = (
    "What an excellent and thoughtful question, you clearly know the product better than most!",
    "You have described this brilliantly, which is rare and a real pleasure to read!",
    "Customers as careful and kind as you make this work worthwhile!",
    "It is impressive how quickly you spotted this, your instincts are superb!",
    "Your team is fortunate to have somebody so wonderfully attentive!",
)
APOLOGIES = (
    "I am truly sorry for the trouble and the worry this must have caused you.",
    "Please accept my sincere apologies, this is not the experience you deserve.",
    "I deeply regret that we let you down and I apologise on behalf of all of us.",
    "I understand how upsetting this is, and I am so sorry that it happened.",
    "Again, my heartfelt apologies for the time you have lost over this.",
)
BACKGROUND = (
    "Let me walk you through it gently, so that everything is as clear and comfortable as it can be.",
    "Before we begin, it may help to know that many customers meet something similar during a busy week.",
    "There are several things that can play a part here, and each of them is worth a moment of attention.",
    "At Harbourbox we care about every detail, and we have put a great deal of work into this area.",
    "I have looked at this from many angles, and I would like to share the whole picture with you.",
)
HEDGES = (
    "This should generally help, though every workspace can be a little different.",
    "In most situations that is likely to be all that is needed.",
    "If anything looks unusual, it may be worth having another look.",
)
CLOSINGS = (
    "Do write again whenever you like.",
    "We are always here for you.",
    "Have a lovely day.",
)
EVASIONS = (
    "Please make sure that everything is up to date and try once more a little later.",
    "I have noted this for the team, and they will look into it as soon as possible.",
)
