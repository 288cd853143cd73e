"""Strawberry over Starlette and uvicorn: both WebSocket subprotocols, event streams and multipart responses.

The schema is that of schema.graphql, and /control/* is that of serve.js.
"""

import asyncio
import json
import sys
import threading
from enum import Enum
from typing import Annotated, Any, AsyncGenerator, NewType, Optional, Union

import strawberry
import uvicorn
from graphql import GraphQLError
from starlette.responses import JSONResponse
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.schema.config import StrawberryConfig

# --- what is remembered -------------------------------------------------------------------------------


class State:
    def __init__(self):
        self.reset()
        self.live = []
        self.listeners = []
        self.sockets = 0
        self.responses = 0
        self.extended = False
        self.web_sockets = set()
        self.tasks = set()

    def reset(self):
        self.upgrades, self.requests, self.inits, self.fields = [], [], [], []

    def report(self):
        names = ["upgrades", "requests", "inits", "fields", "live", "sockets", "responses"]
        return {name: getattr(self, name) for name in names}

    def resolved(self, kind, field, **args):
        self.fields.append({"kind": kind, "field": field, "args": args})

    def publish(self, topic, value):
        queues = [queue for other, queue in self.listeners if other == topic]
        for queue in queues:
            queue.put_nowait(value)
        return len(queues)

    async def close(self, code=None, reason=""):
        # Connections end a little later. What is published from now on must not get lost with them.
        self.listeners.clear()
        if code is None:
            for task in list(self.tasks):
                task.cancel()
        else:
            for socket in list(self.web_sockets):
                await socket.close(code, reason)


STATE = State()


class Live:
    """A source of a subscription that counts as live until it is left."""

    def __init__(self, field, **args):
        STATE.resolved("subscription", field, **args)
        self.entry = {"field": field, "args": args}

    def __enter__(self):
        STATE.live.append(self.entry)

    def __exit__(self, *_):
        # By identity: others may be equal.
        STATE.live[:] = [entry for entry in STATE.live if entry is not self.entry]


# --- types --------------------------------------------------------------------------------------------

Moment = NewType("Moment", str)
Json = NewType("Json", object)

SCALARS = {
    Moment: strawberry.scalar(
        name="Moment",
        description="Text that only the service understands.",
        specified_by_url="https://scalars.example/moment",
    ),
    Json: strawberry.scalar(name="Json", description="Any value."),
}


@strawberry.enum
class Colour(Enum):
    RED = "RED"
    GREEN = "GREEN"
    BLUE = strawberry.enum_value("BLUE", deprecation_reason="It fades.", description="Faded.")


def fail(code):
    raise GraphQLError(f"failing: {code}", extensions={"code": code, "nested": {"list": [1, None]}})


def seen(info):
    return info.context["seen"]()


@strawberry.interface
class Node:
    id: strawberry.ID


@strawberry.type
class Book(Node):
    title: str
    colour: Optional[Colour]
    written: Optional[Moment]
    tags: list[str]

    @strawberry.field
    def by(self, deep: int = 1) -> Optional["Person"]:
        return PEOPLE[0]


@strawberry.type
class Person(Node):
    name: Optional[str]

    @strawberry.field
    def books(self, colours: Optional[list[Colour]] = strawberry.UNSET) -> list[Optional[Book]]:
        mine = BOOKS if self.id == "person:1" else []
        return [book for book in mine if not colours or book.colour in colours]


BOOKS = [
    Book(id="book:1", title="Wells", colour=Colour.RED, written="1999-12-31T23:59:60Z", tags=["a", '"b"']),
    Book(id="book:2", title="Springs", colour=Colour.BLUE, written=None, tags=[]),
]
PEOPLE = [Person(id="person:1", name="Ann"), Person(id="person:2", name=None)]

Found = Annotated[Union[Book, Person], strawberry.union("Found")]


@strawberry.input
class Range:
    from_: int = strawberry.field(name="from", default=0)
    to: int
    inner: Optional["Range"] = strawberry.UNSET

    def json(self):
        inner = {"inner": self.inner.json()} if self.inner else {}
        return {"from": self.from_, "to": self.to, **inner}


@strawberry.input
class Filter:
    text: Optional[str] = strawberry.UNSET
    colours: Optional[list[Colour]] = strawberry.UNSET
    range: Optional[Range] = strawberry.UNSET

    def json(self):
        parts = {
            "text": self.text,
            "colours": [colour.name for colour in self.colours] if self.colours else self.colours,
            "range": self.range.json() if self.range else self.range,
        }
        return {name: part for name, part in parts.items() if part is not strawberry.UNSET}


@strawberry.type
class Event:
    topic: str
    value: Optional[Json]
    subject: Optional[Found]


@strawberry.type
class Step:
    number: int
    at: strawberry.Private[int]

    @strawberry.field
    def value(self) -> Optional[int]:
        if self.number == self.at:
            fail(f"STEP_{self.number}")
        return self.number * 10


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "world") -> str:
        STATE.resolved("query", "hello", name=name)
        return f"Hello, {name}!"

    @strawberry.field
    def echo(self, value: Optional[Json] = strawberry.UNSET) -> Optional[Json]:
        STATE.resolved("query", "echo", value=value or None)
        return value or None

    @strawberry.field
    def moment(self, at: Moment) -> Moment:
        STATE.resolved("query", "moment", at=at)
        return at

    @strawberry.field
    def colours(self, colours: list[Colour]) -> list[Colour]:
        STATE.resolved("query", "colours")
        return colours

    @strawberry.field
    def filter(self, filter: Filter) -> Optional[Json]:
        STATE.resolved("query", "filter", filter=filter.json())
        return filter.json()

    @strawberry.field
    def sum(self, numbers: list[list[int]]) -> int:
        STATE.resolved("query", "sum", numbers=numbers)
        return sum(number for row in numbers for number in row)

    @strawberry.field
    def node(self, id: strawberry.ID) -> Optional[Node]:
        STATE.resolved("query", "node", id=id)
        return next((thing for thing in [*BOOKS, *PEOPLE] if thing.id == id), None)

    @strawberry.field
    def search(self, text: str) -> list[Found]:
        STATE.resolved("query", "search", text=text)
        books = [book for book in BOOKS if text in book.title]
        return [*books, *(person for person in PEOPLE if text in (person.name or ""))]

    @strawberry.field
    def nothing(self) -> Optional[str]:
        STATE.resolved("query", "nothing")
        return None

    @strawberry.field(description="Always an error, with this code in its extensions.")
    def failing(self, code: str) -> Optional[str]:
        STATE.resolved("query", "failing", code=code)
        fail(code)

    @strawberry.field(
        description="What the service heard of who asks: `{headers: [[name, value]], init, transport}`."
    )
    def whoami(self, info: strawberry.Info) -> Optional[Json]:
        STATE.resolved("query", "whoami")
        return seen(info)


@strawberry.type(name="Query")
class ExtendedQuery(Query):
    @strawberry.field
    def added(self) -> Optional[str]:
        return "yes"


@strawberry.type
class Mutation:
    @strawberry.mutation(description="Sends an event to the subscribers of a topic; gives how many there are.")
    def publish(self, topic: str, value: Optional[Json] = strawberry.UNSET) -> int:
        value = value or None
        STATE.resolved("mutation", "publish", topic=topic, value=value)
        return STATE.publish(topic, value)

    @strawberry.mutation
    def failing(self, code: str) -> Optional[str]:
        STATE.resolved("mutation", "failing", code=code)
        fail(code)

    @strawberry.mutation
    def whoami(self, info: strawberry.Info) -> Optional[Json]:
        STATE.resolved("mutation", "whoami")
        return seen(info)


async def forever():
    await asyncio.Event().wait()


@strawberry.type
class Subscription:
    @strawberry.subscription(description="1, 2 and so on.")
    async def counter(self, to: int) -> AsyncGenerator[int, None]:
        with Live("counter", to=to):
            for number in range(1, to + 1):
                yield number

    @strawberry.subscription
    async def events(self, topic: str) -> AsyncGenerator[Event, None]:
        listener = (topic, asyncio.Queue())
        STATE.listeners.append(listener)
        try:
            with Live("events", topic=topic):
                while True:
                    yield Event(topic=topic, value=await listener[1].get(), subject=BOOKS[0])
        finally:
            STATE.listeners[:] = [other for other in STATE.listeners if other is not listener]

    @strawberry.subscription(description="As the query; then it stays open.")
    async def whoami(self, info: strawberry.Info) -> AsyncGenerator[Optional[Json], None]:
        with Live("whoami"):
            yield seen(info)
            await forever()

    @strawberry.subscription(
        description="Three steps, then the end. The value of step `at` is an error; at 0 there are no steps, but an error."
    )
    async def fails(self, at: int) -> AsyncGenerator[Step, None]:
        if at == 0:
            fail("STEP_0")
        with Live("fails", at=at):
            for number in range(1, 4):
                yield Step(number=number, at=at)

    @strawberry.subscription
    async def never(self) -> AsyncGenerator[Optional[int], None]:
        with Live("never"):
            await forever()
            yield None

    @strawberry.subscription(name="completesAtOnce")
    async def completes_at_once(self) -> AsyncGenerator[Optional[int], None]:
        with Live("completesAtOnce"):
            for nothing in []:
                yield nothing


def schema(query):
    config = StrawberryConfig(scalar_map=SCALARS)
    return strawberry.Schema(query, Mutation, Subscription, types=[Book, Person], config=config)


# --- requests -----------------------------------------------------------------------------------------


def pairs(scope):
    return [[name.decode("latin1"), value.decode("latin1")] for name, value in scope["headers"]]


class View(GraphQL):
    async def get_context(self, request, response):
        context = {}
        headers, transport = pairs(request.scope), request.scope["type"]
        context["seen"] = lambda: {
            "headers": headers,
            "init": context.get("connection_params"),
            "transport": transport,
        }
        return context

    async def on_ws_connect(self, context):
        payload = context.get("connection_params")
        STATE.inits.append(payload)
        if isinstance(payload, dict) and payload.get("refuse"):
            raise ConnectionRejectionError({"message": "refused"})
        return await super().on_ws_connect(context)

    async def create_websocket_response(self, request, subprotocol):
        STATE.web_sockets.add(request)
        return await super().create_websocket_response(request, subprotocol)


VIEW = View(
    schema(Query),
    graphql_ide=None,
    subscription_protocols=["graphql-transport-ws", "graphql-ws", "graphql-sse", "multipart-subscription"],
    max_subscriptions_per_connection=None,
)
SCHEMAS = {False: VIEW.schema, True: schema(ExtendedQuery)}


async def control(scope, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = json.loads(body or b"{}")
    name = scope["path"].rsplit("/", 1)[-1]
    answer = {}
    if name == "state":
        answer = STATE.report()
    elif name == "publish":
        answer = {"listeners": STATE.publish(asked["topic"], asked.get("value"))}
    elif name == "close":
        await STATE.close(asked.get("code"), asked.get("reason", ""))
    elif name == "reset":
        STATE.reset()
    elif name == "schema":
        VIEW.schema = SCHEMAS[asked["extended"]]
    await JSONResponse(answer)(scope, receive, send)


async def counted(scope, receive, send):
    """Runs the view in a task that tests may end, which cuts the connection."""
    headers = dict(map(tuple, pairs(scope)))
    is_socket = scope["type"] == "websocket"
    if is_socket:
        protocols = headers.get("sec-websocket-protocol")
        STATE.upgrades.append({"protocols": protocols, "headers": pairs(scope)})
        STATE.sockets += 1
    else:
        accept = headers.get("accept")
        STATE.requests.append({"method": scope["method"], "accept": accept, "headers": pairs(scope)})
        STATE.responses += 1
    task = asyncio.ensure_future(VIEW(scope, receive, send))
    STATE.tasks.add(task)
    try:
        await task
    except asyncio.CancelledError:
        if not task.cancelled():
            task.cancel()
            raise
        raise ConnectionAbortedError("cut") from None
    finally:
        STATE.tasks.discard(task)
        STATE.web_sockets = {socket for socket in STATE.web_sockets if socket.scope is not scope}
        if is_socket:
            STATE.sockets -= 1
        else:
            STATE.responses -= 1


async def application(scope, receive, send):
    # From 2.4 on Starlette hears that a client has gone only when it writes; before, at once.
    scope["asgi"]["spec_version"] = "2.3"
    await (control if scope["path"].startswith("/control/") else counted)(scope, receive, send)


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    # Connections are kept longer than anybody needs them, as in serve.js.
    config = uvicorn.Config(
        application, host="127.0.0.1", port=port, log_level="critical", lifespan="off", timeout_keep_alive=600
    )
    server = uvicorn.Server(config)

    def until_end_of_input():
        sys.stdin.read()
        server.should_exit = server.force_exit = True

    threading.Thread(target=until_end_of_input, daemon=True).start()
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps({"port": server.servers[0].sockets[0].getsockname()[1]}), flush=True)
    await serving


if __name__ == "__main__":
    asyncio.run(main())
