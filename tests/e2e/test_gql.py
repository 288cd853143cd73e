"""PyPI `gql` against the real binary: both WebSocket transports in both subprotocols, and HTTP.

Needs `gql[websockets,aiohttp]`, the binary (ARTESIAN_BIN) and ARTESIAN_TEST_POSTGRES_URL; the
databases are listed in ARTESIAN_E2E_DATABASES (default: sqlite,postgres).
"""

import asyncio
import logging
import os
import random
import secrets
import socket
import sqlite3
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

import tenacity
from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

HERE = Path(__file__).resolve().parent
BIN = os.environ.get("ARTESIAN_BIN", str(HERE.parents[1] / "target/debug/artesian"))
FIXTURE = (HERE / "fixtures/shop.sql").read_text(encoding="utf-8")
# How long anything may take, in seconds. It only keeps tests from hanging: the machine may be busy.
LIMIT = 60

# The library leaves tasks behind when a connection is lost; what matters is what the session does.
logging.getLogger("asyncio").setLevel(logging.CRITICAL)

QUERY = ("query ($id: Int!) { customer_by_pk(id: $id) { name purchases(order_by: {id: asc}) { item } } }")
LIVE = gql("subscription { customer(order_by: {id: asc}) { id name } }")
MODERN = WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL
LEGACY = WebsocketsTransport.APOLLO_SUBPROTOCOL


class Sqlite:
    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="artesian-e2e-")
        self.path = os.path.join(self.directory.name, "app.db")
        self.url = f"sqlite:{self.path}"
        self.write(FIXTURE)

    def write(self, sql):
        connection = sqlite3.connect(self.path, timeout=15)
        connection.executescript(sql)
        connection.close()

    def drop(self):
        self.directory.cleanup()


class Postgres:
    def __init__(self):
        self.server = os.environ["ARTESIAN_TEST_POSTGRES_URL"]
        self.name = f"e2e_gql_{secrets.token_hex(6)}"
        self.run(self.server, f"create database {self.name}")
        self.url = f"{self.server.rsplit('/', 1)[0]}/{self.name}"
        self.write(FIXTURE)

    @staticmethod
    def run(url, sql):
        command = ["psql", "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "--dbname", url]
        subprocess.run(command, input=sql.encode(), check=True, stdout=subprocess.DEVNULL)

    def write(self, sql):
        self.run(self.url, sql)

    def drop(self):
        self.run(self.server, f"drop database {self.name} with (force)")


def free_port():
    """A port on which nobody listens.

    Below those that the system gives away by itself: else somebody could have it before the server
    does, or while the server is restarted.
    """
    while True:
        port = random.randrange(10_081, 32_768)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Server:
    def __init__(self, url):
        self.port = free_port()
        self.url = url
        self.log = tempfile.TemporaryFile()
        self.start()

    def start(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ARTESIAN", "HASURA", "PG"))}
        self.process = subprocess.Popen(
            [BIN, "serve", "--listen", f"127.0.0.1:{self.port}", "--database-url", self.url]
            + ["--live-queries-multiplexed-refetch-interval", "50"],
            stdout=self.log,
            stderr=self.log,
            env=kept,
        )
        deadline = time.monotonic() + LIMIT
        while not self.answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.log.seek(0)
                raise AssertionError(f"the server does not answer: {self.log.read().decode()}")
            time.sleep(0.01)

    def answers(self):
        try:
            return b"OK" in self.get("/healthz")
        # Those of urllib and of sockets, among them that there was no answer in time.
        except OSError:
            return False

    def get(self, path):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=LIMIT).read()

    def subscribers(self):
        for line in self.get("/metrics").decode().splitlines():
            if line.startswith("artesian_live_subscribers "):
                return int(line.split()[1])
        raise AssertionError("there is no artesian_live_subscribers")

    def kill(self):
        self.process.kill()
        self.process.wait()


DATABASES = {"sqlite": Sqlite, "postgres": Postgres}
TRANSPORTS = {
    "websockets": WebsocketsTransport,
    "aiohttp": AIOHTTPWebsocketsTransport,
}


async def first(stream, check=lambda result: True):
    """The first result that fulfils a condition."""

    async def search():
        async for result in stream:
            if check(result):
                return result
        raise AssertionError("the subscription ended")

    return await asyncio.wait_for(search(), LIMIT)


async def until(what, check):
    deadline = time.monotonic() + LIMIT
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in time: {what}")
        await asyncio.sleep(0.01)


def names(result):
    return [customer["name"] for customer in result["customer"]]


class Gql(unittest.IsolatedAsyncioTestCase):
    """Runs once per database, see `load_tests`."""

    database_name = None

    @classmethod
    def setUpClass(cls):
        cls.database = DATABASES[cls.database_name]()
        cls.addClassCleanup(cls.database.drop)
        cls.server = Server(cls.database.url)
        cls.addClassCleanup(lambda: cls.server.kill())

    async def check_query(self, session):
        result = await session.execute(GraphQLRequest(QUERY, variable_values={"id": 1}))
        self.assertEqual(result["customer_by_pk"]["name"], "Ada")
        self.assertEqual([p["item"] for p in result["customer_by_pk"]["purchases"]], ["lamp", "chair"])
        with self.assertRaises(TransportQueryError) as caught:
            await session.execute(gql("{ customer { nope } }"))
        self.assertEqual(caught.exception.errors[0]["extensions"]["code"], "validation-failed")

    async def test_query_over_http(self):
        for path in ["/graphql", "/v1/graphql"]:
            transport = AIOHTTPTransport(url=f"http://127.0.0.1:{self.server.port}{path}")
            async with Client(transport=transport, fetch_schema_from_transport=False) as session:
                await self.check_query(session)

    async def test_the_schema_can_be_fetched(self):
        transport = AIOHTTPTransport(url=f"http://127.0.0.1:{self.server.port}/graphql")
        async with Client(transport=transport, fetch_schema_from_transport=True) as session:
            # gql validates against the schema now, before anything is sent.
            self.assertIn("customer_by_pk", session.client.schema.query_type.fields)
            self.assertEqual(await session.execute(gql("{ customer_by_pk(id: 2) { id } }")), {"customer_by_pk": {"id": 2}})

    async def socket_query(self, connect, protocol):
        transport = connect(self.server.port)
        async with Client(transport=transport) as session:
            await self.check_query(session)
            self.assertEqual(transport.subprotocol, protocol)

    async def socket_subscription(self, connect, _protocol):
        async with Client(transport=connect(self.server.port)) as session:
            stream = session.subscribe(LIVE)
            other = session.subscribe(gql("subscription { purchase_aggregate { aggregate { count } } }"))
            count = lambda result: result["purchase_aggregate"]["aggregate"]["count"]
            self.assertEqual(names(await first(stream))[0], "Ada")
            self.assertEqual(count(await first(other)), 3)
            self.assertEqual(self.server.subscribers(), 2)
            self.database.write("update customer set name = 'Ada L.' where id = 1")
            self.assertEqual(names(await first(stream))[0], "Ada L.")
            self.database.write("update customer set name = 'Ada' where id = 1")
            self.assertEqual(names(await first(stream))[0], "Ada")
            await asyncio.wait_for(stream.aclose(), LIMIT)
            await until("one subscriber left", lambda: self.server.subscribers() == 1)
            self.database.write("insert into purchase values (50, 1, 'rug', 1, false)")
            self.assertEqual(count(await first(other)), 4)
            self.database.write("delete from purchase where id = 50")
            self.assertEqual(count(await first(other)), 3)
            await asyncio.wait_for(other.aclose(), LIMIT)
            await until("no subscriber left", lambda: self.server.subscribers() == 0)
            await self.check_query(session)

    async def socket_reconnect(self, connect, _protocol):
        client = Client(transport=connect(self.server.port))
        session = await client.connect_async(reconnecting=True, retry_connect=quick_retries())
        stream = session.subscribe(LIVE)
        await first(stream)
        self.server.kill()
        # The library reconnects; subscribing again is the user's part.
        with self.assertRaises((TransportError, ConnectionError)):
            await first(stream, lambda result: False)
        self.database.write("insert into customer values (60, 'Eve', null)")
        self.server.start()

        async def again():
            while True:
                try:
                    return await first(session.subscribe(LIVE), lambda result: "Eve" in names(result))
                except (TransportError, ConnectionError):
                    await asyncio.sleep(0.02)

        await asyncio.wait_for(again(), LIMIT)
        await client.close_async()
        self.database.write("delete from customer where id = 60")
        await until("no subscriber left", lambda: self.server.subscribers() == 0)


def quick_retries():
    return tenacity.retry(wait=tenacity.wait_fixed(0.05), retry=tenacity.retry_if_exception_type(Exception))


def add_socket_tests():
    """One test per transport, offer of subprotocols, and thing that a client does."""
    offers = {"default": (None, MODERN), "modern": ([MODERN], MODERN), "legacy": ([LEGACY], LEGACY)}
    for kind, transport in TRANSPORTS.items():
        for offer, (subprotocols, chosen) in offers.items():

            def connect(port, transport=transport, subprotocols=subprotocols):
                options = {} if subprotocols is None else {"subprotocols": subprotocols}
                return transport(url=f"ws://127.0.0.1:{port}/graphql", **options)

            for what in ["query", "subscription", "reconnect"]:

                async def test(self, what=what, connect=connect, chosen=chosen):
                    await getattr(self, f"socket_{what}")(connect, chosen)

                setattr(Gql, f"test_{kind}_{offer}_{what}", test)


add_socket_tests()


def load_tests(loader, _tests, _pattern):
    suite = unittest.TestSuite()
    for name in os.environ.get("ARTESIAN_E2E_DATABASES", "sqlite,postgres").split(","):
        case = type(f"Gql_{name}", (Gql,), {"database_name": name, "__module__": __name__})
        suite.addTests(loader.loadTestsFromTestCase(case))
    return suite


if __name__ == "__main__":
    unittest.main(verbosity=2)
