"""Every number that Gridseal writes into signed bytes. Append only.

1. A number, once published, keeps its meaning for ever; a mistake gets a new number, never a new
   meaning.
2. Numbers say what something is. What to do about it is decided where it is used.

This file decides nothing and parses nothing. Over 400 lines because it is one table.
"""

from enum import IntEnum, IntFlag

VERSION = 1  # of every payload defined here

# COSE algorithms: IANA COSE Algorithms registry, RFC 9864.
ALG_ED25519 = -19
ALG_ESP256 = -9

# COSE header labels: RFC 9052 3.1; typ is RFC 9596.
HEADER_ALG = 1
HEADER_KID = 4
HEADER_TYP = 16


class Typ(IntEnum):
    """The `typ` header (RFC 9596), from the range for experiments (RFC 7252 12.3)."""

    CREDENTIAL = 65301
    RUN = 65302
    DESCRIPTOR = 65303
    HEAD = 65304
    RECEIPT = 65305
    REFUSAL = 65306
    CLASSIFICATION = 65307
    CHECKPOINT = 65308
    HEADS = 65309
    REQUEST = 65310
    ROTATION = 65311
    ANSWER = 65312
    BOOK = 65313
    REPORT = 65314
    RECORD = 65315
    COUNTERSIGNATURE = 65316


class Act(IntEnum):
    """What an authority did, as an entry of its book says it."""

    OPENED = 1  # the book, and with it the root key
    ISSUED = 2  # a credential; it names the one before where it renews
    REVOKED = 3  # a device key
    VOUCHED = 4  # for what a revoked key's device sealed before


class Revocation(IntEnum):
    """Why a key was revoked."""

    STOLEN = 1  # somebody else has it, or may have it
    LOST = 2  # nobody has it any more
    RETIRED = 3  # its device does another's work, or none


class Matter(IntEnum):
    """What a record is about; its class, as a policy names it in lower case."""

    POLICY = 1  # whose signatures each matter takes, from here on
    REGISTRY = 2  # an authority: roles, footprints, keys, successor
    SEAM = 3  # a bus, line or tie that two authorities share: its sides, its parameters
    SETTLEMENT = 4  # what two sides of a seam come to
    INTERCHANGE = 5  # the energy of an interval over a tie
    DC_TIE_EMERGENCY = 6  # assistance, curtailment, blocking of a DC tie
    DER_AGGREGATION = 7
    RELAY_OPERATION = 8
    DISPATCH = 9
    CURTAILMENT = 10
    LOAD_SHED = 11
    HANDOFF = 12  # one step of it: see Step
    EVALUATION = 13  # what a predicate comes to over stated leaves
    CLAIM = 14  # what somebody says of an event: kept beside what others say
    STANDING_RESIDUAL = 15  # what a pair was learned to differ by


class Role(IntEnum):
    """What an authority is, as the NERC Glossary and market rules name it."""

    BA = 1  # Balancing Authority
    RC = 2  # Reliability Coordinator
    TOP = 3  # Transmission Operator
    TO = 4  # Transmission Owner
    TSP = 5  # Transmission Service Provider
    GO = 6  # Generator Owner
    GOP = 7  # Generator Operator
    QSE = 8  # Qualified Scheduling Entity
    SC = 9  # Scheduling Coordinator
    DP = 10  # Distribution Provider
    DER_AGGREGATOR = 11
    COMMISSION = 12


class Part(IntEnum):
    """What an authority is in one record."""

    OWNER = 1
    RELEASING = 2
    ACCEPTING = 3
    RTO = 4
    HOST = 5
    AGGREGATOR = 6
    NOTIFIED = 7


class Word(IntEnum):
    """What a countersignature says of a record."""

    ASSENT = 1
    DISSENT = 2


class Step(IntEnum):
    """Where a handoff of authority stands."""

    REQUESTED = 1
    ACCEPTED = 2
    REFUSED = 3
    ACTIVE = 4
    RETURNED = 5
    EXPIRED = 6
    REVOKED = 7


class Truth(IntEnum):
    """What a predicate comes to (Kleene's strong logic)."""

    FALSE = 0
    TRUE = 1
    UNDETERMINED = 2


class Open(IntEnum):
    """What leaves a predicate undetermined."""

    MISSING = 1  # no sample, for longer than the stated hole
    NOT_SETTLEABLE = 2  # there are samples, of a class that does not settle
    NO_VALUE = 3  # there are samples, and the device gave no value
    BOUND = 4  # within the bounds of the instants both could be so
    CONTRADICTED = 5  # samples of one instant differ
    ARITHMETIC = 6  # a division by zero, a root of less than zero, beyond binary64
    TOO_MANY = 7  # samples, or combinations of them


class Agreement(IntEnum):
    """What two sides of a seam come to."""

    AGREED = 1
    AGREED_WITH_RESIDUAL = 2
    DISPUTED = 3
    NOT_COMPARABLE = 4


class Disagreement(IntEnum):
    """What a disagreement looks like."""

    NOT_SEPARABLE = 0
    TIME_SHIFT = 1
    RATIO = 2
    POLARITY = 3
    PHASE_SWAP = 4
    SCALING = 5
    MISSING_DATA = 6
    WRONG_TOPOLOGY = 7


class Exchange(IntEnum):
    """What an energy between two areas is."""

    SCHEDULED = 1  # Confirmed Interchange
    ACTUAL = 2  # as the ties' meters read


class Emergency(IntEnum):
    """What is done about a DC tie in an emergency."""

    ASSISTANCE = 1  # energy asked for, and given
    CURTAILED = 2
    BLOCKED = 3
    RESTORED = 4


class SeamKind(IntEnum):
    """What two authorities share."""

    BUS = 1  # both measure one bus
    LINE = 2  # each measures an end
    SUM = 3  # of currents: all branches of a node are measured
    DC_TIE = 4  # energy and loss; there is no angle across it


class Kind(IntEnum):
    """What the `raw` of an observation is."""

    GAP = 1  # a hole, stated: see evidence.gap
    FIX = 2  # a receiver's own bytes since the last fix
    VERDICT = 3  # what the gateway derives of its own time and place
    EVENT = 4  # something the gateway noticed, neither hole nor verdict
    PAYLOAD = 5  # another system's document: attested by the gateway, asserted by the peer
    C37118 = 16  # one IEEE C37.118.2 data frame, SYNC to CHK
    C37118_INFO = 17  # one that measures nothing: configuration, header, command
    IEEE1344 = 18  # one IEEE 1344-1995 data frame
    IEEE1344_INFO = 19  # one that measures nothing
    MODBUS = 24  # one exchange: request and response, each with its instant
    GOOSE = 32  # one Ethernet frame, or one datagram of R-GOOSE, that brought a change of state
    SV = 40  # a block of Sampled Values: the frames of some milliseconds, as they arrived
    # A board's frame, header, body and tag (firmware_bridge.frame): it measures what its body does.
    MCU_C37118 = 48  # one C37.118.2 data frame, as a board heard it on a port
    MCU_INFO = 49  # one that gives no values: what the board itself says, or raw octets of a port
    MCU_MODBUS = 50  # one that completes an exchange, and a copy of the one that it answers
    MCU_INPUT = 51  # a level or a pulse of the board's own inputs


# What measures nothing: there is nothing in it to settle, and nothing is missing without it.
SILENT = frozenset(
    {
        *(Kind.GAP, Kind.FIX, Kind.VERDICT, Kind.EVENT, Kind.PAYLOAD),
        *(Kind.C37118_INFO, Kind.IEEE1344_INFO, Kind.MCU_INFO),
    }
)


# What a board sealed: `raw` begins with its frame.
OF_BOARDS = frozenset({Kind.MCU_C37118, Kind.MCU_INFO, Kind.MCU_MODBUS, Kind.MCU_INPUT})


class Flag(IntFlag):
    """What is known of the clock that stamped the sample, and of the sample itself."""

    LOCKED = 1 << 0
    TRACEABLE = 1 << 1
    HOLDOVER = 1 << 2
    LEAP = 1 << 3  # a leap second is announced or in progress
    LEAP_UNKNOWN = 1 << 4  # TAI - UTC is not known for this instant
    SPOOF_SUSPECTED = 1 << 5
    JAM_SUSPECTED = 1 << 6
    AGENT_STAMPED = 1 << 7  # no usable time in the frame: the instant is the arrival
    SIMULATED = 1 << 8
    TEST = 1 << 9
    PLACE_CHECKED = 1 << 10  # at this moment a receiver finds the antenna where it was surveyed
    PLACE_DOUBTED = 1 << 11  # it finds it elsewhere
    TIME_DOUBTED = 1 << 12  # the instant contradicts its arrival, or another device of its bus
    CLOCK_DOUBTED = 1 << 13  # the gateway's own clocks contradict each other


# Of the moment, not of the frame: what the gateway's verdict lays over each sample.
MOMENT_FLAGS = (
    Flag.SPOOF_SUSPECTED
    | Flag.JAM_SUSPECTED
    | Flag.PLACE_CHECKED
    | Flag.PLACE_DOUBTED
    | Flag.CLOCK_DOUBTED
)
# Of the gateway's clock: they rule a sample that it stamped itself, and no other.
CLOCK_FLAGS = Flag.LOCKED | Flag.TRACEABLE | Flag.HOLDOVER | Flag.LEAP


class TimeSource(IntEnum):
    """The clock that stamped the sample. DEVICE: the device claims it, and says no more."""

    UNKNOWN = 0
    GNSS = 1
    PTP = 2
    IRIG = 3
    NTP = 4
    DEVICE = 5


class Cause(IntEnum):
    """Why samples are missing (gap), or why a run began (run)."""

    FIRST_START = 1
    RESTART = 2
    COMMIT_FAILED = 3
    ROLLBACK = 4  # the record is ahead of this disk
    SNAPSHOT = 5  # CLOCK_BOOTTIME jumped against MONOTONIC, or the wall clock
    DAILY = 6
    NOT_MEASURED = 16  # the device says it did not measure
    NOT_HEARD = 17  # frames are missing between two that were heard
    NOT_KEPT = 18  # given up by the overflow policy, or heard while the disk took nothing
    DRIVER_DOWN = 19  # the line was closed, silent or failing
    CLOCK_STEPPED = 20


class Event(IntEnum):
    """What the gateway noticed (event)."""

    STATE_FOUND = 1  # the first state heard after a start: it may be of any age
    STATES_LOST = 2  # the sender counts changes that were not heard
    MESSAGES_LOST = 3  # it counts messages of one state that were not heard
    REORDERED = 4  # heard after one that was sent later
    REPLAYED = 5  # heard before, or older than what was heard: not taken
    RESTARTED = 6  # the sender counts from the beginning
    TIME_WENT_BACK = 7  # a later state has an earlier instant
    UNANNOUNCED = 8  # values changed, and the count of changes did not
    REVISION_CHANGED = 9  # confRev
    DATA_SET_CHANGED = 10  # not what was configured, or what was heard before
    SENDER_CHANGED = 11  # its address
    ADDRESS_CHANGED = 12  # where it sends to, or under which identifiers
    MODE_CHANGED = 13  # test, simulation, needs commissioning
    SILENT = 14  # longer than the sender allowed
    HEARD_AGAIN = 15
    CLOCK_DISAGREES = 16  # the instant of a change is far from its arrival
    CHECK_TRIPPED = 17  # a cross-check (Check) finds a contradiction
    CHECK_CLEARED = 18  # and no longer finds it
    TEST_BEGAN = 19  # somebody declared a test, such as secondary injection
    TEST_ENDED = 20  # by word, or because its time was over
    TRIED = 21  # pre-flight tried whether what this gateway seals reaches the record


class Check(IntEnum):
    """A cross-check of time or place. Of a stream up to 31; of the gateway from 32 on."""

    EARLY = 1  # the instant is later than its arrival: a device in the future
    LATE = 2  # the arrival is later than device, path and concentrator account for
    ARRIVAL_STEPPED = 3  # the least time from instant to arrival has changed at once
    PAIR_ANGLE = 4  # two PMUs of one bus: their angles part as the frequency moves
    PAIR_RATE = 5  # their frequencies are alike only when one of them is shifted
    DEVICE_PLACE = 6  # the configuration names another position than the survey
    CLOCK_STEPPED = 32  # the wall clock against the clock of durations
    SOURCES_APART = 33  # two sources of time contradict each other
    SOURCE_JUMPED = 34  # a source against what this machine's oscillator can have done
    UNSYNCHRONISED = 35  # nothing vouches for the gateway's clock
    HOLDOVER = 36  # nothing measures it; its oscillator carries it
    LEAP_DISAGREES = 37  # two sources, or a source and the table, on leap seconds
    SPOOFING = 38  # the receiver says so itself
    JAMMING = 39
    SIGNALS_COLLAPSED = 40  # satellites and signal strength, together
    SIGNALS_ALIKE = 41  # all of one strength, as from one transmitter
    ANTENNA = 42  # open, or shorted
    FIX_LOST = 43
    FIX_DOUBTED = 44  # the receiver's word is plainly wrong: repeated, backwards, a rollover, ...
    MOVED = 45  # the position against the survey
    PLACE_UNCHECKED = 46  # no receiver that could notice


class Class(IntEnum):
    """What an observation may be used for, as the record sees it.

    The least useful that applies rules.
    """

    SETTLEABLE = 0
    PLACE_UNCHECKED = 1  # settles, and says so
    PLACE_DOUBTFUL = 2
    TIME_DOUBTFUL = 3
    KEY_DOUBTFUL = 4
    DATA_INVALID = 5
    TEST = 6
    SIMULATED = 7


class Reason(IntEnum):
    """Why something was refused or classed. The name, in lower case, is what people read."""

    # Encoding and signatures
    ENCODING = 1  # not the one encoding this format allows
    TOO_LONG = 2
    ALG = 3
    TYP = 4
    KID = 5
    VERSION = 6
    SIGNATURE = 7
    SHAPE = 8  # well encoded, yet not of the shape that its kind has
    # Batches and chains
    COUNT = 20
    ROOT = 21
    LINK = 22  # prev is not the hash of the link before
    SEQUENCE = 23
    RANGE = 24  # the head's ranges and the observations disagree
    RUN = 25  # of another run, or of a run of another device
    DESCRIPTOR = 26
    HEAD_CHAIN = 27
    TWIN = 28  # another content has this position
    CLONE = 29
    UNKNOWN_NAME = 30  # a statement it names is not here yet
    BATCH_ID = 31  # the bytes do not have the name they were sent under
    # Authority
    UNKNOWN_AUTHORITY = 40
    CREDENTIAL_EXPIRED = 41
    CREDENTIAL_NOT_YET = 42
    CREDENTIAL_REVOKED = 43
    BUS_NOT_GRANTED = 44
    POSSESSION = 45  # the run key did not sign for this device
    # Trees and receipts
    INCLUSION = 60
    CONSISTENCY = 61
    TREE_SIZE = 62
    OTHER_SUBJECT = 63
    # Classes
    BOUND_UNKNOWN = 80
    BOUND_TOO_WIDE = 81
    NOT_LOCKED = 82
    CLOCK_SUSPECTED = 83
    STAT_DATA_ERROR = 84
    STAT_SYNC = 85
    STAT_SORTED_BY_ARRIVAL = 86
    STAT_MODIFIED = 87
    NO_CONFIGURATION = 88
    NO_RECEIVER = 89
    TEST_MODE = 90
    SIMULATION = 91
    MALFORMED = 92
    POINT_INVALID = 93  # the device says so of a value: a sentinel, a quality bit
    NOT_ANSWERED = 94  # asked, and answered by an exception, by something else, or not at all
    NEEDS_COMMISSIONING = 95  # ndsCom of a GOOSE message
    SAMPLES_MISSING = 96  # within a block
    ARRIVAL_EARLY = 97  # heard before the instant that it claims
    ARRIVAL_LATE = 98  # heard later than device, path and concentrator account for
    TIME_CONTRADICTED = 99  # the gateway found that the device's clock is off
    CLOCKS_APART = 100  # the gateway's own clocks contradict each other
    JAMMING_SUSPECTED = 101
    PLACE_CONTRADICTED = 102  # the receiver stands elsewhere than the survey says
    NOT_SEPARABLE = 103  # two devices of one bus, and too little has moved to tell their clocks
    TERMINAL_NOT_GRANTED = 104  # another terminal, node or direction than the credential's
    VALUE_INVALID = 105  # NaN, 0x8000 or a sentinel in place of a value
    PLACE_NOT_GRANTED = 106  # another position than the credential's
    ROTATION_NOT_GRANTED = 107  # no rotation leads from the key before to this one
    BOOK_CHAIN = 108  # an entry that does not continue its authority's book
    BOOK_FORKED = 109  # another entry has this number
    OTHER_REQUEST = 110  # an answer to another request than one's own
    CLOCK_UNSET = 111  # an instant of before this software was written
    # The shared record
    KEY_EXPIRED = 120  # of an authority, by the registry
    KEY_REVOKED = 121
    ROLE = 122  # no role of this authority may author that
    FOOTPRINT = 123  # of another authority
    PARTY = 124  # not one that the record has, or without the role that it takes
    COUNTERSIGNED = 125  # its author says so already; a word is never taken back by its bytes
    FORK = 126  # two trees of one size, or one that does not continue the other
    TRUNCATED = 127  # a tree smaller than one that was signed
    BACK_DATED = 128  # logged later than its claimed instant allows
    WITNESS = 129  # not signed by the witnesses that the policy asks for
    PREDICATE = 130  # not of the language, or beyond its bounds
    STEP = 131  # a handoff does not go from there to here
    PARENT = 132  # named, and not here
    BUNDLE = 133  # a file that is missing, added, or another than the manifest says
    SEAM_UNKNOWN = 134
    OTHER_SIDE = 135  # a side's claim by a gateway of the other's
    AGGREGATED_TWICE = 136  # the same asset and service in two aggregations
    SUPERSEDED = 137  # what it was to replace was replaced before it was joint
    BELOW_MINIMUM = 138  # less than the tariff asks for
    # 139 to 144 are free
    CONDITION_FALSE = 145  # a handoff's, where a step of it is taken
    CONDITION_OPEN = 146  # undetermined, or not evaluated
    UNFOUNDED = 147  # a decision that names nothing it rests on
    SET_BACK = 148  # a memory that is older than what was signed from it
    LOCKOUT = 149  # after it nobody could change who signs what, or who is who
    UNANSWERABLE = 150  # a policy with a rule that nobody can meet yet
    KEYLESS = 151  # somebody who must sign had no key, and was not waited for
    EVALUATED_OTHERWISE = 152  # over its own leaves it comes to something else than was said
    LENT_TWICE = 153  # a scope that was lent to another, and had not come back
    OTHER_OWNER = 154  # the owner named is none of what was operated, by seam and registry
    SERVICE_UNKNOWN = 155  # no row of the tariff has it
    INTERVAL = 156  # none that its matter is counted in
    # A board's frames, under the heads that it signed itself
    BOARD_SIGNATURE = 157  # a head that the board's own key did not sign
    BOARD_LINK = 158  # frames before a signed head are not those that the board chained
    BOARD_TWIN = 159  # two frames of one number
    BOARD_FRAME = 160  # not a frame of a board
    BOARD_UNKNOWN = 161  # by a key that the anchors, which name boards, do not name
    BOARD_HEADLESS = 162  # of one that the anchors name, and no head when one was due
