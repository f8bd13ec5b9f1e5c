"""The command line: pipelining, connections that end, names that would be commands."""

from __future__ import annotations

import asyncio

import pytest

from services.router.haproxy import runtime


class Server:
    """Answers in `prompt` mode with what `answers` says; can close a connection after some commands."""

    def __init__(self, path, answers=None, close_after=None, silent=False):
        self.path, self.answers, self.close_after, self.silent = path, answers or {}, close_after, silent
        self.seen, self.connections = [], 0

    async def __aenter__(self):
        self.server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *error):
        self.server.close()

    async def _serve(self, reader, writer):
        self.connections += 1
        count = 0
        while line := (await reader.readline()).decode().strip():
            if line == "prompt":
                writer.write(b"\n> ")
                continue
            self.seen.append(line)
            count += 1
            if self.silent:
                continue
            writer.write(self.answers.get(line, "").encode() + b"\n\n> ")
            await writer.drain()
            if self.close_after == count:
                break
        writer.close()


def play(tmp_path, scenario, **more):
    async def run():
        async with Server(str(tmp_path / "s"), **more) as server:
            return await scenario(server, runtime.Runtime(server.path, timeout=0.5))

    return asyncio.run(run())


def test_many_commands_on_one_connection(tmp_path):
    async def scenario(server, client):
        answers = await client.run([f"c {number}" for number in range(1000)])
        assert answers == ["odd" if number == 7 else "" for number in range(1000)]
        assert server.seen == [f"c {number}" for number in range(1000)]
        assert await client.run([]) == []
        assert server.connections == 1

    play(tmp_path, scenario, answers={"c 7": "odd"})


def test_a_connection_that_was_closed_is_opened_again(tmp_path):
    async def scenario(server, client):
        await client.ask("one")
        async with asyncio.timeout(2):
            while not client._streams[0].at_eof():
                await asyncio.sleep(0.01)
        await client.ask("two")
        await client.reopen()
        await client.ask("three")
        assert (server.seen, server.connections) == (["one", "two", "three"], 3)

    play(tmp_path, scenario, close_after=1)


def test_no_answer_and_no_server_are_errors(tmp_path):
    async def silent(server, client):
        with pytest.raises(runtime.RuntimeSocketError):
            await client.ask("x")

    play(tmp_path, silent, silent=True)
    with pytest.raises(runtime.RuntimeSocketError, match="No such file"):
        asyncio.run(runtime.Runtime(str(tmp_path / "none")).ask("x"))


def test_answers_after_an_error_are_those_of_the_right_commands(tmp_path):
    async def scenario(server, client):
        server.silent = True
        with pytest.raises(runtime.RuntimeSocketError):
            await client.ask("first")
        server.silent = False
        assert await client.ask("second") == "2"

    play(tmp_path, scenario, answers={"first": "1", "second": "2"})


@pytest.mark.parametrize("text", ["a b", "a;b", "a\nb", "a\\", "<<", "a<<b", "", "a\tb", "ä", "a#b", "a\x00"])
def test_names_that_would_be_commands(text):
    with pytest.raises(ValueError):
        runtime.command("set", "server", text)


def test_commands():
    assert runtime.command("set", "server", "::a-cluster/s1", "port", 80) == "set server ::a-cluster/s1 port 80"
    with pytest.raises(ValueError):
        runtime.command("add", "map", "f", "k" * 12300, "v")


STATE = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight ...
3 b 1 s1 10.0.0.1 2 0 1 1 1 8 2 0 6 0 0 0 - 31000 - 0 0 - - 0
3 b 2 s2 127.0.0.1 0 5 1 1 1 1 0 0 14 0 0 0 - 9 - 0 0 - - 0
3 b 3 s3 10.0.0.3 0 8 1 1 1 1 0 0 14 0 0 0 - 31003 - 0 0 - - 0"""
STAT = "# pxname,svname,qcur,qmax,scur,smax\nb,s1,0,0,3,4,\nb,s2,2,0,1,4,\nb,s3,,,,,"
ANSWERS = {
    "show servers state": STATE,
    "show stat b 4 -1": STAT,
    "show stat -1 1 -1": "# pxname,svname\nweb,FRONTEND,\ntcp-5432,FRONTEND,",
    "show info": "Name: HAProxy\nPid: 17\nUptime_sec: 3\ndescription: abc\nStopping: 0",
    "show map f": "0x1 a 1\n0x2 b 2\n0x3 a 3",
}


def test_what_is_read(tmp_path):
    async def scenario(server, client):
        assert await runtime.servers(client) == {
            ("b", "s1"): runtime.ServerState("10.0.0.1", 31000, True, False),
            ("b", "s2"): runtime.ServerState("127.0.0.1", 9, False, False),
            ("b", "s3"): runtime.ServerState("10.0.0.3", 31003, False, True),
        }
        assert await runtime.sessions(client, "b") == {"s1": 3, "s2": 3, "s3": 0}
        assert await runtime.frontends(client) == {"web", "tcp-5432"}
        assert await runtime.info(client) == runtime.Info(17, "abc", False, 3)
        assert await runtime.map_entries(client, "f") == {"a": "1", "b": "2"}

    play(tmp_path, scenario, answers=ANSWERS)


@pytest.mark.parametrize("answer", ["", "Pid: x\nStopping: 0\nUptime_sec: 1", "Unknown command."])
def test_information_that_is_not_understood(tmp_path, answer):
    async def scenario(server, client):
        with pytest.raises(runtime.RuntimeSocketError):
            await runtime.info(client)

    play(tmp_path, scenario, answers={"show info": answer})
