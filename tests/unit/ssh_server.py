"""A real SSH server in a thread: runs commands with sh on this machine, accepts one public key."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko


class Server(paramiko.ServerInterface):
    def __init__(self, lab: SshLab, transport: paramiko.Transport) -> None:
        self.lab, self.transport = lab, transport

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        known = key.get_base64() == self.lab.accepted
        return paramiko.AUTH_SUCCESSFUL if known else paramiko.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_direct_tcpip_request(self, chanid: int, origin: object, destination: tuple[str, int]) -> int:
        if self.lab.mode == "no-forwarding":
            return paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        self.lab.forwarded.append(destination)
        threading.Thread(target=self.lab.forward, args=(self.transport, chanid, destination), daemon=True).start()
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.lab.commands.append(command.decode())
        channel.get_transport().asked.append((channel, command.decode()))
        return True


class Transport(paramiko.Transport):
    """Begins a command only once the client has been told that it begins: a short one could end before."""

    def __init__(self, connection: socket.socket, lab: SshLab) -> None:
        super().__init__(connection)
        self.lab = lab
        self.asked: list[tuple[paramiko.Channel, str]] = []

    def _send_user_message(self, data: paramiko.Message) -> None:
        super()._send_user_message(data)
        if data.asbytes()[:1] == paramiko.common.cMSG_CHANNEL_SUCCESS:
            for channel, command in self.asked:
                threading.Thread(target=self.lab.execute, args=(channel, command), daemon=True).start()
            self.asked = []


class SshLab:
    """`die` closes the connection at the next command; `hang` never ends it; `crowded` resets the first connection."""

    def __init__(self, public_key: Path) -> None:
        self.accepted = public_key.read_text().split()[1]
        self.host_key = paramiko.ECDSAKey.generate()
        self.commands: list[str] = []
        self.forwarded: list[tuple[str, int]] = []
        self.accepting = threading.Lock()
        self.channels: dict[tuple[paramiko.Transport, int], paramiko.Channel] = {}
        self.connections = 0
        self.mode = ""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.transports: list[Transport] = []
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def host_key_line(self) -> str:
        return f"{self.host_key.get_name()} {self.host_key.get_base64()}"

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            if self.mode == "crowded" and self.connections == 1:
                connection.recv(1)  # the client's banner has begun: closing with unread data resets the connection
                connection.close()
                continue
            transport = Transport(connection, self)
            transport.add_server_key(self.host_key)
            self.transports.append(transport)
            with contextlib.suppress(paramiko.SSHException, EOFError):  # a client that refuses us hangs up
                transport.start_server(server=Server(self, transport), event=threading.Event())

    def forward(self, transport: paramiko.Transport, chanid: int, destination: tuple[str, int]) -> None:
        """Both ways between a channel and a port, as a jump host does."""
        with self.accepting:  # whoever accepts gets any channel: it is left for the thread that waits for it
            while (transport, chanid) not in self.channels:
                channel = transport.accept(10)
                self.channels[transport, channel.get_id()] = channel
            channel = self.channels[transport, chanid]
        with socket.create_connection(destination) as target:
            up = threading.Thread(target=self._copy_socket, args=(channel.recv, target), daemon=True)
            up.start()
            with contextlib.suppress(OSError):
                while data := target.recv(65536):
                    channel.sendall(data)
            with contextlib.suppress(EOFError):  # the client has left, and its channels with it
                channel.close()

    @staticmethod
    def _copy_socket(receive, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := receive(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def execute(self, channel: paramiko.Channel, command: str) -> None:
        if self.mode == "die":
            channel.get_transport().close()
            return
        if self.mode == "hang":
            return
        process = subprocess.Popen(
            ["sh", "-c", command.replace("sudo -n ", "", 1)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        feeder = threading.Thread(target=self._feed, args=(channel, process), daemon=True)
        errors = threading.Thread(target=self._copy, args=(process.stderr, channel.sendall_stderr), daemon=True)
        feeder.start()
        errors.start()
        self._copy(process.stdout, channel.sendall)
        errors.join()
        channel.send_exit_status(process.wait())
        channel.close()

    @staticmethod
    def _feed(channel: paramiko.Channel, process: subprocess.Popen[bytes]) -> None:
        with contextlib.suppress(OSError):
            while data := channel.recv(65536):
                process.stdin.write(data)
        with contextlib.suppress(OSError):
            process.stdin.close()

    @staticmethod
    def _copy(source, send) -> None:
        with contextlib.suppress(OSError):
            while data := source.read1(65536):
                send(data)

    def close(self) -> None:
        # Not only closed: a thread that still accepts would do so on the next socket of the same number.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(timeout=10)
        self.socket.close()
        for transport in self.transports:
            transport.close()


@contextlib.contextmanager
def running(public_key: Path) -> Iterator[SshLab]:
    lab = SshLab(public_key)
    try:
        yield lab
    finally:
        lab.close()
