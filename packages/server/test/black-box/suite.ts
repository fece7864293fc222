// suite.ts — the black-box suite: one function, called for every transport and driver.
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { currentRuntime, openRuntime } from "@percore/core";
import { descriptorCheck } from "@percore/core/testing";
import { type ServeOptions, type Server, serve } from "../../src/index.ts";
import { answersSuite } from "./answers.ts";
import { type Bench, FILE_BYTES, RECEIVE_BUFFERS, settles, type Test } from "./bench.ts";
import { bodiesSuite } from "./bodies.ts";
import { closingSuite } from "./closing.ts";
import { connectionsSuite } from "./connections.ts";
import { pressureSuite } from "./pressure.ts";
import { createService } from "./service.ts";
import type { Transport } from "./transport.ts";

/** For a loaded machine; alone a transport takes six seconds. */
export const TIMEOUT_MS = 120_000;

/** Opens the thread's runtime on the driver, or says why that cannot be. */
export const openDriver = (driver: "uring" | "poll"): string | null => {
  try {
    openRuntime({ driver, receiveBuffers: RECEIVE_BUFFERS });
    return null;
  } catch (error) {
    return `no ${driver} here: ${(error as Error).message}`;
  }
};

export const blackBox = (t: Test, transport: Transport): Promise<void> =>
  t.test(transport.name, { timeout: TIMEOUT_MS }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "percore-"));
    const filePath = join(folder, "file.bin");
    const file = new Uint8Array(FILE_BYTES).map((_, index) => index % 251);
    writeFileSync(filePath, file);
    // With its first socket libuv opens a descriptor that it keeps.
    await new Promise((resolve) => connect({ port: 1, host: "127.0.0.1" }).once("error", resolve));
    const descriptors = descriptorCheck();
    const leases = (): number => currentRuntime().stats.leases;
    const leasesBefore = leases();

    const service = createService(filePath);
    const start = async (options: Partial<ServeOptions> = {}): Promise<Server> => {
      const server = serve({ ...transport.where(), ...service.handlers, signals: false, ...options });
      await server.ready;
      return server;
    };
    const server = await start();
    const client = transport.client(server);
    const bench: Bench = { transport, service, server, client, file, filePath, start, leases };

    await answersSuite(t as Test, bench);
    await bodiesSuite(t as Test, bench);
    await pressureSuite(t as Test, bench);
    await connectionsSuite(t as Test, bench);
    await closingSuite(t as Test, bench);

    client.close();
    await server.close();
    t.equal(server.stats().exchangesOpen, 0, "no exchange is left");
    t.equal(server.stats().connectionsOpen, 0, "no connection is left");
    await settles(() => leases() === leasesBefore);
    t.equal(leases(), leasesBefore, "no lease is left");
    await settles(() => {
      try {
        descriptors.assertNone();
        return true;
      } catch {
        return false;
      }
    });
    t.doesNotThrow(() => descriptors.assertNone(), "no descriptor is left");
    transport.dispose();
    await rm(folder, { recursive: true });
  }) as unknown as Promise<void>;
