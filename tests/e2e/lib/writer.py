"""Runs SQL that comes on standard input against an SQLite file: the "other process" of the tests.

Each line is a JSON string with statements; the answer is a line with null, or with the error.
"""

import json
import sqlite3
import sys

connection = sqlite3.connect(sys.argv[1], timeout=15, isolation_level=None)
connection.execute("pragma foreign_keys = on")
for line in sys.stdin:
    try:
        connection.executescript(json.loads(line))
        answer = None
    except sqlite3.Error as error:
        answer = str(error)
        if connection.in_transaction:
            connection.execute("rollback")
    print(json.dumps(answer), flush=True)
connection.close()
