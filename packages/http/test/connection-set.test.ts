// A server's connections: counted, drained together, waited for.
import t from "tap";
import { ConnectionSet, zeroCounters } from "../src/connection-set.ts";

class Connection {
  drained = 0;
  drain(): void {
    this.drained += 1;
  }
}

t.test("counts, drains and waits", async (t) => {
  const counters = zeroCounters();
  const set = new ConnectionSet<Connection>(counters);
  await set.drain();
  t.ok(set.draining, "nothing to wait for");

  const other = zeroCounters();
  const busy = new ConnectionSet<Connection>(other);
  const [a, b, late] = [new Connection(), new Connection(), new Connection()];
  busy.add(a);
  busy.add(b);
  t.equal(a.drained, 0);
  let done = 0;
  const count = (): void => {
    done += 1;
  };
  const waits = [busy.drain().then(count), busy.drain().then(count)];
  t.same([a.drained, b.drained], [2, 2]);
  busy.add(late);
  t.equal(late.drained, 1, "what comes while it drains is drained at once");
  busy.remove(a);
  busy.remove(a);
  busy.remove(b);
  await Promise.resolve();
  t.equal(done, 0);
  busy.remove(late);
  await Promise.all(waits);
  t.same([other.connections, other.connectionsOpen], [3, 0]);
});

t.test("closing ends each", async (t) => {
  const set = new ConnectionSet<Connection>(zeroCounters());
  const connections = [new Connection(), new Connection()];
  for (const connection of connections) set.add(connection);
  set.close((connection) => {
    connection.drained = -1;
    set.remove(connection);
  });
  t.same(
    connections.map((connection) => connection.drained),
    [-1, -1],
  );
  t.ok(set.draining);
});
