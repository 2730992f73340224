"""What exists in the simulated company: countries, departments, services, API operations, programs.

Plain tables, so that a reader can see at one glance which relations there are to learn: a service has a port, a
protocol and a size; a program has a parent; a department has its services. Addresses are private or from the
documentation ranges of RFC 5737, names are under ``.example`` (RFC 2606): no row points at anybody.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "AGENTS",
    "COUNTRIES",
    "DEPARTMENTS",
    "LOGONS",
    "OPERATIONS",
    "PROGRAMS",
    "SERVICES",
    "SITES",
    "Country",
    "Department",
    "Logon",
    "Operation",
    "Program",
    "Service",
    "Site",
    "by",
]


def by(**weights: float) -> dict[str, float]:
    """Weights by trait: how often the people (or machines) of that kind use a thing, against the others."""
    return weights


class Country(NamedTuple):
    """A country with its hours ahead of UTC, the share of the staff there and the nearest cloud region."""

    code: str
    utc_offset: float
    staff: float
    region: str
    office: bool


# Offices around the globe: an hour that is night for one user is the busiest of the day for another, so that
# the hour alone says nothing. The countries without an office have some staff working from home.
COUNTRIES = (
    Country("US", -5, 0.28, "us-east-1", True),
    Country("DE", 1, 0.18, "eu-central-1", True),
    Country("IN", 5.5, 0.17, "ap-south-1", True),
    Country("SG", 8, 0.12, "ap-southeast-1", True),
    Country("BR", -3, 0.09, "sa-east-1", True),
    Country("GB", 0, 0.04, "eu-west-2", False),
    Country("NL", 1, 0.03, "eu-central-1", False),
    Country("JP", 9, 0.03, "ap-northeast-1", False),
    Country("CA", -5, 0.03, "us-east-1", False),
    Country("AU", 10, 0.03, "ap-southeast-1", False),
)


class Department(NamedTuple):
    """A department: share of the staff and of its events per class, and the trait that its tools go by."""

    name: str
    staff: float
    trait: str  # a letter of the ``traits`` below
    classes: tuple[float, float, float, float]  # authentication, network, API, process


# Letters used in the ``weights`` of every table below: o office, s sales, d development, r research, a admins.
# The last department holds the service accounts (trait m, machines).
DEPARTMENTS = (
    Department("Engineering", 0.28, "d", (0.14, 0.38, 0.20, 0.28)),
    Department("Sales", 0.20, "s", (0.20, 0.56, 0.04, 0.20)),
    Department("Support", 0.15, "o", (0.22, 0.52, 0.05, 0.21)),
    Department("Finance", 0.12, "o", (0.20, 0.48, 0.08, 0.24)),
    Department("Research", 0.10, "r", (0.13, 0.38, 0.22, 0.27)),
    Department("Human Resources", 0.07, "o", (0.22, 0.53, 0.03, 0.22)),
    Department("IT Operations", 0.08, "a", (0.26, 0.34, 0.16, 0.24)),
    Department("Automation", 0.0, "m", (0.18, 0.42, 0.22, 0.18)),
)


class Service(NamedTuple):
    """A network service: where it listens, how long a flow lasts and how many bytes a second go each way."""

    name: str
    port: int
    protocol: str
    role: str  # role of the server, or "web" for the sites outside
    milliseconds: float  # median duration
    spread: float  # standard deviation of the logarithm of the duration
    rate_in: float  # bytes per second received by the client
    rate_out: float
    weights: dict[str, float]


SERVICES = (
    Service("https", 443, "tcp", "web", 4_000, 1.3, 24_000, 3_500, by(o=40, s=44, d=32, r=30, a=20, m=16)),
    Service("quic", 443, "udp", "web", 9_000, 1.2, 60_000, 4_000, by(o=9, s=11, d=6, r=5, a=3, m=0)),
    Service("http", 80, "tcp", "web", 900, 1.0, 18_000, 1_500, by(o=4, s=4, d=4, r=3, a=3, m=5)),
    Service("dns", 53, "udp", "resolver", 24, 0.6, 9_000, 3_200, by(o=16, s=14, d=14, r=12, a=14, m=16)),
    Service("ntp", 123, "udp", "resolver", 40, 0.3, 1_900, 1_900, by(o=2, s=2, d=2, r=2, a=2, m=5)),
    Service("imaps", 993, "tcp", "mail", 30_000, 0.9, 2_500, 700, by(o=10, s=10, d=4, r=4, a=4, m=1)),
    Service("smtps", 465, "tcp", "mail", 2_500, 0.7, 900, 22_000, by(o=4, s=5, d=1, r=1, a=2, m=4)),
    Service("sip", 5060, "udp", "voice", 180_000, 0.9, 9_000, 9_000, by(o=5, s=7, d=1, r=1, a=1, m=0)),
    Service("smb", 445, "tcp", "files", 12_000, 1.2, 90_000, 30_000, by(o=9, s=5, d=3, r=4, a=7, m=8)),
    Service("ldap", 389, "tcp", "directory", 350, 0.6, 7_000, 2_200, by(o=4, s=3, d=3, r=3, a=9, m=6)),
    Service("kerberos", 88, "tcp", "directory", 80, 0.5, 18_000, 15_000, by(o=5, s=4, d=4, r=4, a=5, m=5)),
    Service("ssh", 22, "tcp", "compute", 240_000, 1.2, 2_800, 900, by(o=0.3, s=0.2, d=13, r=15, a=13, m=7)),
    Service("rdp", 3389, "tcp", "terminal", 900_000, 0.9, 21_000, 3_000, by(o=3, s=1, d=1, r=0.5, a=9, m=0)),
    Service("winrm", 5985, "tcp", "terminal", 5_000, 0.8, 4_000, 5_000, by(o=0.2, s=0.1, d=1, r=0.4, a=6, m=3)),
    Service("postgresql", 5432, "tcp", "database", 1_500, 1.3, 40_000, 2_000, by(o=2, s=1, d=9, r=14, a=4, m=12)),
    Service("redis", 6379, "tcp", "database", 300, 0.8, 12_000, 6_000, by(o=0, s=0, d=5, r=3, a=2, m=8)),
    Service("syslog", 514, "udp", "logs", 60, 0.5, 0, 9_000, by(o=0.5, s=0.3, d=1, r=1, a=4, m=10)),
    Service("git", 9418, "tcp", "compute", 3_000, 1.1, 130_000, 9_000, by(o=0, s=0, d=7, r=5, a=2, m=5)),
)


class Site(NamedTuple):
    """A host outside: its country and how its flows differ from the service's usual ones."""

    name: str
    country: str
    more_in: float  # factors on the bytes received and sent
    more_out: float
    weights: dict[str, float]


# Uploads to storage and small regular telemetry are everyday traffic, as is the host nobody knows (edge-*).
SITES = (
    Site("search.web.example", "US", 1.5, 0.6, by(o=14, s=12, d=12, r=14, a=9, m=1)),
    Site("news.web.example", "GB", 3.0, 0.5, by(o=8, s=8, d=4, r=5, a=4, m=0)),
    Site("meet.video.example", "NL", 6.0, 30.0, by(o=9, s=16, d=7, r=6, a=6, m=0)),
    Site("crm.saas.example", "US", 1.0, 1.5, by(o=6, s=22, d=0.5, r=0.2, a=1, m=2)),
    Site("ledger.saas.example", "DE", 0.8, 1.5, by(o=14, s=2, d=0.2, r=0.1, a=1, m=2)),
    Site("people.saas.example", "US", 0.8, 1.0, by(o=9, s=3, d=2, r=2, a=2, m=1)),
    Site("tickets.saas.example", "AU", 0.7, 1.0, by(o=9, s=3, d=8, r=2, a=12, m=4)),
    Site("repo.code.example", "US", 3.0, 3.0, by(o=0.3, s=0.2, d=20, r=14, a=7, m=14)),
    Site("packages.code.example", "NL", 14.0, 0.3, by(o=0.1, s=0.1, d=10, r=12, a=5, m=14)),
    Site("storage.cloud.example", "DE", 2.0, 90.0, by(o=6, s=8, d=6, r=9, a=6, m=16)),
    Site("share.cloud.example", "US", 4.0, 40.0, by(o=5, s=9, d=3, r=4, a=2, m=1)),
    Site("console.cloud.example", "US", 1.2, 1.5, by(o=0.5, s=0.3, d=9, r=8, a=14, m=8)),
    Site("telemetry.agent.example", "US", 0.05, 0.6, by(o=7, s=7, d=7, r=7, a=8, m=16)),
    Site("update.vendor.example", "NL", 20.0, 0.2, by(o=5, s=5, d=4, r=4, a=7, m=10)),
    *(
        Site(f"edge-{k:02d}.cdn.example", code, 0.6 + 0.4 * (k % 4), 0.7, by(o=3, s=3, d=3, r=3, a=3, m=1.5))
        for k, code in enumerate(("US", "DE", "SG", "IN", "BR", "NL", "JP", "GB", "CA", "US", "DE", "SG"))
    ),
)


class Logon(NamedTuple):
    """A way to log on: the service, OCSF's ``logon_type_id`` and ``auth_protocol_id``, the second factor."""

    service: str
    port: int
    role: str
    logon_type: int
    protocol: int
    mfa: float  # share of logons with a second factor
    remote: bool
    weights: dict[str, float]


LOGONS = (
    Logon("kerberos", 88, "directory", 2, 2, 0.0, False, by(o=16, s=10, d=14, r=14, a=10, m=3)),
    Logon("kerberos", 88, "directory", 7, 2, 0.0, False, by(o=18, s=12, d=16, r=14, a=8, m=0)),
    Logon("sso", 443, "identity", 3, 5, 0.75, True, by(o=26, s=36, d=24, r=24, a=16, m=1)),
    Logon("sso", 443, "identity", 3, 4, 0.6, True, by(o=12, s=14, d=14, r=16, a=9, m=6)),
    Logon("vpn", 1194, "gateway", 3, 10, 0.9, True, by(o=9, s=18, d=9, r=8, a=9, m=0)),
    Logon("smb", 445, "files", 3, 1, 0.0, True, by(o=12, s=6, d=4, r=4, a=9, m=8)),
    Logon("smb", 445, "files", 3, 2, 0.0, True, by(o=6, s=4, d=3, r=3, a=6, m=8)),
    Logon("rdp", 3389, "terminal", 10, 1, 0.3, True, by(o=4, s=1, d=1, r=1, a=15, m=0)),
    Logon("ssh", 22, "compute", 3, 99, 0.1, True, by(o=0.3, s=0.2, d=14, r=15, a=14, m=10)),
    Logon("ldap", 389, "directory", 5, 12, 0.0, False, by(o=0.5, s=0.3, d=1, r=1, a=3, m=24)),
    Logon("kerberos", 88, "directory", 4, 2, 0.0, False, by(o=0.3, s=0.2, d=1, r=2, a=3, m=24)),
)


class Operation(NamedTuple):
    """A call of a cloud API and the OCSF activity it counts as (1 create, 2 read, 3 update, 4 delete)."""

    service: str
    name: str
    activity: int
    milliseconds: float
    weights: dict[str, float]


OPERATIONS = (
    Operation("s3", "GetObject", 2, 60, by(o=20, s=22, d=14, r=30, a=6, m=26)),
    Operation("s3", "PutObject", 1, 110, by(o=10, s=8, d=8, r=14, a=4, m=22)),
    Operation("s3", "ListObjectsV2", 2, 90, by(o=10, s=10, d=8, r=10, a=6, m=8)),
    Operation("s3", "DeleteObject", 4, 50, by(o=1, s=1, d=3, r=3, a=2, m=5)),
    Operation("s3", "ListBuckets", 2, 70, by(o=3, s=3, d=3, r=3, a=4, m=1)),
    Operation("sts", "AssumeRole", 1, 45, by(o=5, s=5, d=8, r=6, a=9, m=10)),
    Operation("sts", "GetCallerIdentity", 2, 30, by(o=2, s=2, d=7, r=6, a=6, m=6)),
    Operation("ec2", "DescribeInstances", 2, 180, by(o=0.5, s=0.2, d=10, r=6, a=16, m=8)),
    Operation("ec2", "RunInstances", 1, 2_200, by(o=0, s=0, d=3, r=3, a=4, m=2)),
    Operation("ec2", "TerminateInstances", 4, 900, by(o=0, s=0, d=2, r=2, a=3, m=2)),
    Operation("ec2", "ModifyInstanceAttribute", 3, 500, by(o=0, s=0, d=1, r=0.5, a=3, m=0.5)),
    Operation("lambda", "Invoke", 3, 400, by(o=0.5, s=0.5, d=10, r=5, a=2, m=10)),
    Operation("lambda", "UpdateFunctionCode", 3, 800, by(o=0, s=0, d=4, r=1, a=1, m=4)),
    Operation("dynamodb", "Query", 2, 15, by(o=4, s=5, d=9, r=5, a=1, m=10)),
    Operation("dynamodb", "PutItem", 1, 12, by(o=2, s=2, d=5, r=2, a=1, m=8)),
    Operation("kms", "Decrypt", 2, 20, by(o=3, s=3, d=5, r=5, a=4, m=10)),
    Operation("secretsmanager", "GetSecretValue", 2, 35, by(o=0.3, s=0.2, d=5, r=3, a=5, m=8)),
    Operation("iam", "ListUsers", 2, 120, by(o=0.3, s=0.1, d=1.5, r=0.5, a=8, m=1)),
    Operation("iam", "GetUser", 2, 60, by(o=1, s=1, d=3, r=2, a=7, m=1)),
    Operation("iam", "CreateUser", 1, 240, by(o=0, s=0, d=0.4, r=0.1, a=3, m=0.5)),
    Operation("iam", "CreateAccessKey", 1, 200, by(o=0.1, s=0.05, d=1.5, r=1, a=3, m=1)),
    Operation("iam", "AttachUserPolicy", 3, 220, by(o=0.02, s=0.02, d=0.8, r=0.3, a=5, m=0.6)),
    Operation("cloudtrail", "LookupEvents", 2, 300, by(o=0.3, s=0.1, d=1, r=0.5, a=7, m=2)),
)

# User agents, by trait. A user keeps to one or two of them.
AGENTS = (
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/141.0", by(o=60, s=60, d=18, r=14, a=20, m=0)),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15", by(o=25, s=34, d=14, r=14, a=10, m=0)),
    ("aws-cli/2.27.1", by(o=6, s=2, d=26, r=20, a=34, m=16)),
    ("Boto3/1.40.2", by(o=7, s=3, d=20, r=42, a=12, m=46)),
    ("HashiCorp Terraform/1.9.5", by(o=0.2, s=0.1, d=10, r=3, a=18, m=20)),
    ("aws-sdk-go/1.55.5", by(o=0.2, s=0.1, d=12, r=5, a=5, m=18)),
)


class Program(NamedTuple):
    """A program and the one that starts it; OCSF's ``integrity_id`` (3 medium, 4 high, 5 system)."""

    parent: str
    name: str
    integrity: int
    weights: dict[str, float]


PROGRAMS = (
    Program("explorer.exe", "chrome.exe", 3, by(o=20, s=24, d=14, r=12, a=10, m=0)),
    Program("explorer.exe", "outlook.exe", 3, by(o=14, s=15, d=5, r=5, a=6, m=0)),
    Program("explorer.exe", "excel.exe", 3, by(o=14, s=8, d=1, r=4, a=2, m=0)),
    Program("explorer.exe", "winword.exe", 3, by(o=9, s=6, d=1, r=3, a=1, m=0)),
    Program("explorer.exe", "teams.exe", 3, by(o=8, s=12, d=6, r=5, a=5, m=0)),
    Program("explorer.exe", "code.exe", 3, by(o=0.1, s=0.1, d=8, r=7, a=3, m=0)),
    Program("explorer.exe", "cmd.exe", 3, by(o=0.8, s=0.4, d=4, r=3, a=5, m=0)),
    Program("explorer.exe", "powershell.exe", 3, by(o=0.5, s=0.3, d=3, r=2, a=6, m=0)),
    Program("explorer.exe", "powershell.exe", 4, by(o=0.1, s=0.05, d=1, r=0.4, a=7, m=0)),
    Program("outlook.exe", "winword.exe", 3, by(o=5, s=4, d=0.4, r=1, a=0.4, m=0)),
    Program("outlook.exe", "excel.exe", 3, by(o=5, s=3, d=0.3, r=0.5, a=0.3, m=0)),
    Program("chrome.exe", "chrome.exe", 3, by(o=14, s=16, d=10, r=10, a=7, m=0)),
    Program("code.exe", "git.exe", 3, by(o=0, s=0, d=14, r=9, a=2, m=0)),
    Program("code.exe", "python.exe", 3, by(o=0, s=0, d=7, r=14, a=2, m=0)),
    Program("code.exe", "node.exe", 3, by(o=0, s=0, d=9, r=2, a=1, m=0)),
    Program("cmd.exe", "git.exe", 3, by(o=0, s=0, d=4, r=3, a=1, m=0)),
    Program("cmd.exe", "ipconfig.exe", 3, by(o=0.4, s=0.2, d=1, r=0.5, a=4, m=0)),
    Program("cmd.exe", "whoami.exe", 3, by(o=0.2, s=0.1, d=0.6, r=0.3, a=3, m=0)),
    Program("cmd.exe", "net.exe", 3, by(o=0.2, s=0.1, d=0.4, r=0.2, a=4, m=0)),
    Program("powershell.exe", "net.exe", 4, by(o=0.05, s=0.03, d=0.3, r=0.1, a=5, m=0)),
    Program("powershell.exe", "cmd.exe", 4, by(o=0.05, s=0.03, d=0.5, r=0.2, a=4, m=0)),
    Program("powershell.exe", "python.exe", 3, by(o=0.1, s=0.05, d=2, r=4, a=2, m=0)),
    Program("services.exe", "svchost.exe", 5, by(o=5, s=5, d=5, r=5, a=6, m=9)),
    Program("services.exe", "psexesvc.exe", 5, by(o=0.1, s=0.05, d=0.2, r=0.1, a=4, m=2)),
    Program("psexesvc.exe", "cmd.exe", 5, by(o=0.1, s=0.05, d=0.2, r=0.1, a=3, m=2)),
    Program("svchost.exe", "taskhostw.exe", 3, by(o=4, s=4, d=4, r=4, a=4, m=4)),
    Program("svchost.exe", "wuauclt.exe", 5, by(o=2, s=2, d=2, r=2, a=2, m=5)),
    Program("cron", "tar", 3, by(o=0, s=0, d=0.2, r=0.3, a=1.5, m=18)),
    Program("cron", "python3", 3, by(o=0, s=0, d=1, r=2, a=1, m=22)),
    Program("cron", "rsync", 3, by(o=0, s=0, d=0.1, r=0.3, a=1.5, m=18)),
    Program("sshd", "bash", 3, by(o=0.05, s=0.02, d=5, r=6, a=6, m=3)),
    Program("bash", "sudo", 4, by(o=0.02, s=0.01, d=1.5, r=0.8, a=6, m=2)),
    Program("bash", "python3", 3, by(o=0, s=0, d=4, r=8, a=2, m=6)),
    Program("bash", "curl", 3, by(o=0, s=0, d=2, r=1, a=3, m=4)),
)
