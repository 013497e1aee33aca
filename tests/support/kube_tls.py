"""The tests' cluster over TLS, which asks for a client's certificate as a real API server does."""

from __future__ import annotations

import base64
import json
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from tests.support.cluster import TOKEN, Cluster, Node

DAY = timedelta(days=1)


class Authority:
    """Issues certificates, as a cluster's own does."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("kubernetes")
        now = datetime.now(UTC)
        self._own = (
            self._begun("kubernetes", self._key, now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> str:
        """Its own certificate."""
        return _text(self._own)

    def issue(self, name: str, until: datetime) -> tuple[str, str]:
        """A certificate and its key, for a server of this machine or a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        made = self._begun(name, key, until).add_extension(names, critical=False)
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return _text(made.sign(self._key, hashes.SHA256())), secret.decode()

    def _begun(
        self, name: str, key: ec.EllipticCurvePrivateKey, until: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(datetime.now(UTC) - 30 * DAY)
            .not_valid_after(until)
        )


class SecureCluster(Cluster):
    """Who shows a certificate of its authority needs no token; one that has ended is refused in the handshake."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Node(runs=False))
        self.authority = Authority()
        file = folder / "server.pem"
        file.write_text("\n".join(self.authority.issue("server", datetime.now(UTC) + DAY)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.authority.pem)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http://", "https://")

    def who(self, authorization: str | None, connection: Any) -> str | None:
        """By certificate, or by token."""
        shown = connection.getpeercert()
        return shown["subject"][0][0][1] if shown else super().who(authorization, connection)

    def kubeconfig(self, path: Path, token: str = TOKEN) -> Path:
        """Write the file that reaches this cluster and trusts its authority."""
        data = json.loads(super().kubeconfig(path, token).read_text())
        data["clusters"][0]["cluster"]["certificate-authority-data"] = _data(self.authority.pem)
        path.write_text(json.dumps(data))
        return path

    def client_config(self, path: Path, certificate: tuple[str, str]) -> Path:
        """A kubeconfig whose user is known by a certificate."""
        data = json.loads(self.kubeconfig(path).read_text())
        shown, key = certificate
        user = {"client-certificate-data": _data(shown), "client-key-data": _data(key)}
        data["users"][0]["user"] = user
        path.write_text(json.dumps(data))
        return path


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _data(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
