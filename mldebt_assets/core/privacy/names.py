"""What a column's name alone says of it, in the languages of Europe as far as that is cheap."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

EMAIL = "e-mail address"
PHONE = "telephone number"
PERSON = "name of a person"
BIRTH = "date of birth"
ADDRESS = "postal address"
CARD = "payment card"
BANK = "bank account (IBAN)"
STATE = "number that a state gives to a person"
IP = "IP address"
MAC = "MAC address"
SPECIAL = "special category (GDPR, article 9)"

# Single words, as they stand between blanks, underscores, or a capital letter within a name.
WORDS = {
    EMAIL: "email mail emailadresse courriel correo epost",
    PHONE: (
        "phone telephone tel telefon telefono telefone telefoon telefonnummer handy handynummer "
        "mobile mobilnummer mobil cellphone celular fax msisdn whatsapp phonenumber"
    ),
    PERSON: (
        "firstname lastname surname forename fullname givenname familyname middlename maidenname "
        "username nickname vorname nachname familienname ansprechpartner prenom nom apellido "
        "apellidos nombre nombres cognome sobrenome voornaam achternaam fornamn efternamn fornavn "
        "etternavn imie nazwisko jmeno prijmeni"
    ),
    BIRTH: (
        "dob birthdate birthday birthyear dateofbirth geburtsdatum geburtstag geburtsjahr "
        "geboortedatum naissance nacimiento nascita nascimento fodselsdato fodelsedatum urodzenia"
    ),
    ADDRESS: (
        "street streetname strasse hausnummer anschrift wohnadresse adresse "
        "direccion domicilio indirizzo straat homeaddress streetaddress postaladdress"
    ),
    CARD: "creditcard debitcard cardnumber cardno ccnumber ccnum kreditkarte kartennummer cvv cvc",
    BANK: "iban kontonummer bankaccount bankkonto accountnumber",
    STATE: (
        "ssn passport passportno reisepass steuernummer steuerid idnr svnr nino nif dni nie cpf "
        "curp bsn pesel cnp oib hetu personnummer fodselsnummer codicefiscale aadhaar cedula "
        "nationalid taxid ausweisnummer sozialversicherungsnummer"
    ),
    IP: "ip ipaddress ipaddr clientip remoteip ipv4 ipv6",
    MAC: "macaddress macaddr",
    SPECIAL: "religion konfession ethnicity ethnic disability behinderung diagnosis diagnose",
}
WHOSE_NAME = (
    "first last full given family middle maiden customer client patient employee passenger person "
    "contact holder cardholder user driver tenant student member recipient sender"
)
WHICH_ADDRESS = "home street postal mailing billing shipping delivery residential"
# Words that say it only together.
TOGETHER = {
    EMAIL: ("e mail",),
    PERSON: tuple(f"{whose} name" for whose in WHOSE_NAME.split()),
    BIRTH: tuple(f"birth {what}" for what in ("date", "day", "year", "month", "of", "place")),
    ADDRESS: tuple(f"{which} address" for which in WHICH_ADDRESS.split()),
    CARD: ("credit card", "debit card", "card number", "card no", "card num"),
    BANK: ("bank account", "account number"),
    STATE: (
        "social security", "national id", "national insurance", "tax id", "id card", "passport no",
        "driver license", "driving licence", "drivers license",
    ),
    IP: ("ip address", "ip addr"),
    MAC: ("mac address", "mac addr"),
    SPECIAL: ("sexual orientation", "trade union", "political party"),
}  # fmt: skip
KINDS_OF_WORD = {word: kind for kind, words in WORDS.items() for word in words.split()}


def words_of(name: str) -> list[str]:
    """Return the words of a column's name, in lower case and without accents.

    >>> words_of("customerEMail_Adresse2"), words_of("Prénom")
    (['customer', 'email', 'adresse'], ['prenom'])
    """
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    plain = re.sub(r"[eE]-?[mM]ail", "Email", plain)
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return [word.lower() for word in re.findall(r"[A-Za-z]+", parted)]


def kind_by_name(name: str) -> str | None:
    """Return the kind of personal data that a column is called after; None where it is called none.

    >>> kind_by_name("date_of_birth"), kind_by_name("birth_weight"), kind_by_name("tail_number")
    ('date of birth', None, None)
    """
    words = words_of(name)
    pairs = {frozenset(pair) for pair in pairwise(words)}
    for kind, phrases in TOGETHER.items():
        if any(frozenset(phrase.split()) in pairs for phrase in phrases):
            return kind
    joined = "".join(words)
    found = (KINDS_OF_WORD.get(word) for word in (joined, *words))
    return next((kind for kind in found if kind is not None), None)
