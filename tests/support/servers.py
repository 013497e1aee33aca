"""A Postgres and an S3 server of the tests' own, on free ports of this machine: real ones, ended with the tests."""

from __future__ import annotations

import getpass
import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import create_engine, text

from airloop.devstack.mlflow import server_environment
from airloop.devstack.signin import PASSWORDS, sign_in_environment
from airloop.registry.credentials import LOOP, PASSWORD, USERNAME

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
#: Seconds that a server may take to start on a machine that does much else.
PATIENCE = 120.0
HOST = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now, below those that the kernel gives away by itself."""
    found: list[int] = []
    while len(found) < count:
        port = 15_000 + secrets.randbelow(15_000)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


class PostgresServer:
    """Postgres by its own binaries, as an unprivileged user: it refuses to be root's."""

    def __init__(self, superuser: str = "airloop") -> None:
        self.superuser = superuser
        self.folder = Path(tempfile.mkdtemp(prefix="airloop-pg-"))
        self.user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            shutil.chown(self.folder, self.user)
        #: Unlike anything else that may stand in a log.
        self.password = f"pg-{secrets.token_hex(12)}"
        [self.port] = free_ports(1)
        self._data = self.folder / "data"
        secret = self.folder / "password"
        secret.write_text(self.password)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", self._data, "-U", superuser, "-A", "scram-sha-256", "-N",
            f"--pwfile={secret}",
        )  # fmt: skip

    @property
    def url(self) -> str:
        """The server's address without a database's name."""
        return f"postgresql://{self.superuser}:{self.password}@{HOST}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = (
            f"-p {self.port} -c listen_addresses={HOST} -c unix_socket_directories={self.folder} "
            "-c max_connections=200 -F"
        )
        self._control("-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        """As a power cut: connections are dropped, what was committed is there after the next start."""
        self._control("-m", "immediate", "stop")

    def create(self, name: str) -> str:
        """A new database; returns its URL."""
        engine = create_engine(self._psycopg2(f"{self.url}/postgres"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'CREATE DATABASE "{name}"'))
        engine.dispose()
        return f"{self.url}/{name}"

    def dump(self, name: str) -> bytes:
        """Everything that a database holds, as SQL."""
        return subprocess.run(
            [BINARIES[-1] / "pg_dump", "--inserts", f"{self.url}/{name}"],
            check=True, capture_output=True, timeout=PATIENCE,
        ).stdout  # fmt: skip

    def close(self) -> None:
        """End it and forget it."""
        if (self._data / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self.folder)

    @staticmethod
    def _psycopg2(url: str) -> str:
        return url.replace("postgresql://", "postgresql+psycopg2://", 1)

    def _control(self, *arguments: object) -> None:
        self._run("pg_ctl", "-D", self._data, "-w", "-t", str(int(PATIENCE)), *arguments)

    def _run(self, tool: str, *arguments: object) -> None:
        subprocess.run(
            [str(BINARIES[-1] / tool), *map(str, arguments)],
            user=self.user if os.geteuid() == 0 else None,
            cwd="/tmp", check=True, timeout=PATIENCE,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


class S3Server:
    """SeaweedFS with its S3 door, one bucket, and one identity that may use that bucket alone."""

    bucket = "airloop"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="airloop-s3-"))
        self.key = f"AIRLOOP{secrets.token_hex(6).upper()}"
        self.secret = f"s3-{secrets.token_hex(20)}"
        self._admin = (f"ADMIN{secrets.token_hex(6)}", secrets.token_hex(20))
        self._ports = free_ports(8)
        self._process: subprocess.Popen[bytes] | None = None
        actions = [f"{action}:{self.bucket}" for action in ("Read", "Write", "List", "Tagging")]
        identities = [
            _identity("admin", *self._admin, ["Admin", "Read", "Write", "List", "Tagging"]),
            _identity("airloop", self.key, self.secret, actions),
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        (self.folder / "data").mkdir()

    @property
    def endpoint(self) -> str:
        """The address of the S3 door."""
        return f"http://{HOST}:{self._ports[0]}"

    @property
    def options(self) -> dict[str, str]:
        """As ``storage_options``, credentials included."""
        return {name.lower(): value for name, value in self.environment.items()}

    @property
    def environment(self) -> dict[str, str]:
        """As variables."""
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
        }

    def uri(self, path: str) -> str:
        """An address in the bucket."""
        return f"s3://{self.bucket}/{path}"

    def start(self) -> None:
        """Start it and wait until it stores."""
        s3, s3_grpc, filer, filer_grpc, volume, volume_grpc, master, master_grpc = self._ports
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    Path(sys.executable).parent / "weed", "server",
                    f"-dir={self.folder}/data", f"-ip={HOST}", f"-ip.bind={HOST}",
                    f"-master.port={master}", f"-master.port.grpc={master_grpc}",
                    "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
                    "-master.electionTimeout=1s", "-master.heartbeatInterval=100ms",
                    f"-volume.port={volume}", f"-volume.port.grpc={volume_grpc}",
                    "-volume.max=100", "-volume.minFreeSpace=1", "-volume.preStopSeconds=0",
                    "-filer", f"-filer.port={filer}", f"-filer.port.grpc={filer_grpc}",
                    "-s3", f"-s3.port={s3}", f"-s3.port.grpc={s3_grpc}",
                    f"-s3.config={self.folder}/s3.json",
                    "-s3.port.iceberg=0", "-s3.port.lance=0", "-s3.iam=false",
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                # It leaves sockets in the folder for temporary files.
                env=os.environ | {"TMPDIR": str(self.folder)},
            )  # fmt: skip
        end = time.monotonic() + PATIENCE
        while not self._stores():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"SeaweedFS did not start: {self.folder}/log")
            time.sleep(0.1)

    def kill(self) -> None:
        """As a power cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and forget it."""
        self.kill()
        shutil.rmtree(self.folder)

    def _stores(self) -> bool:
        """Whether the bucket is there and takes an object: the door opens before the rooms behind it."""
        door = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=10)
        try:
            door.request("GET", "/healthz")
            if door.getresponse().status != http.client.OK:
                return False
        except OSError:
            return False
        finally:
            door.close()
        from boto3 import client
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        key, secret = self._admin
        admin = client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=key, aws_secret_access_key=secret,
            region_name="us-east-1", config=Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip
        try:
            if self.bucket not in {one["Name"] for one in admin.list_buckets()["Buckets"]}:
                admin.create_bucket(Bucket=self.bucket)
            admin.put_object(Bucket=self.bucket, Key=".probe", Body=b"1")
        except (BotoCoreError, ClientError):
            return False
        finally:
            admin.close()
        return True


class MlflowServer:
    """MLflow as `airloop up` starts it, in a new folder: nobody comes in without a password.

    :param guarded: false for a server of somebody else's that asks for none
    """

    def __init__(self, *, guarded: bool = True) -> None:
        self._guarded = guarded
        self.folder = Path(tempfile.mkdtemp(prefix="airloop-mlflow-"))
        #: Of each of its users; unlike anything else that may stand in a log.
        self.passwords = {user: f"canary-{secrets.token_hex(12)}" for user in PASSWORDS}
        [self._port] = free_ports(1)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For ``mlflow_uri``."""
        return f"http://{HOST}:{self._port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        database = f"sqlite:///{self.folder / 'mlflow.db'}"
        env = os.environ | server_environment(database, str(self.folder / "artifacts"))
        # Its consumers of jobs would cost more than the tests.
        env |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        if self._guarded:
            config, key = self.folder / "users.ini", secrets.token_hex(16)
            env |= sign_in_environment(config, key, self.passwords)
        argv = [sys.executable, "-m", "airloop.devstack.mlflow", HOST, str(self._port)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                argv, env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(
                    f"MLflow did not start: {(self.folder / 'log').read_text()[-2000:]}"
                )
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        """The running server's."""
        assert self._process is not None
        return self._process.pid

    def variables(self, user: str = LOOP) -> dict[str, str]:
        """What a client needs in its environment to be this user."""
        return {USERNAME: user, PASSWORD: self.passwords[user]}

    def stop(self) -> None:
        """End it; what it keeps stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    def close(self) -> None:
        """End it and forget it."""
        self.stop()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        door = http.client.HTTPConnection(HOST, self._port, timeout=10)
        try:
            door.request("GET", "/health")
            return door.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            door.close()


def _identity(name: str, key: str, secret: str, actions: list[str]) -> dict[str, object]:
    credentials = [{"accessKey": key, "secretKey": secret}]
    return {"name": name, "credentials": credentials, "actions": actions}
