"""The inventory of speech sounds: ARPAbet without stress, as in CMUdict, and silence. Their order is the phone
network's order of outputs."""

PHONES = (
    "SIL", "P", "B", "M", "F", "V", "TH", "DH", "T", "D", "K", "G", "NG", "HH", "CH", "JH", "SH", "ZH", "S", "Z",
    "N", "L", "R", "ER", "AA", "AE", "AH", "AY", "AW", "EH", "EY", "IH", "IY", "Y", "AO", "OW", "OY", "UH", "UW", "W",
)  # fmt: skip
