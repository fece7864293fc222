import t, { type Test } from "tap";
import { MAIN, percore, Service } from "./command.ts";

const ADDRESS = /listens on (http:\/\/\S+)\n/;

const start = (t: Test, args: string[]): Service => {
  const service = new Service([MAIN, "demo", "--hostname", "127.0.0.1", ...args]);
  t.teardown(() => service.child.kill("SIGKILL"));
  return service;
};

t.test("it says where it is, on what, and answers there", async (t) => {
  const service = start(t, ["--port", "0"]);
  const [, url] = await service.says(ADDRESS);
  t.match(service.stdout, /driver (uring|poll): /, "the driver and why");
  t.match(service.stdout, /1 worker/);
  t.match(service.stdout, new RegExp(`curl -i ${url}`), "a line to try");

  const hello = await fetch(`${url}/`);
  t.equal(hello.status, 200);
  t.match(await hello.text(), /percore/i);
  const echo = await fetch(`${url}/echo`, { method: "POST", body: "some words" });
  t.equal(await echo.text(), "some words");
  t.equal((await fetch(`${url}/nowhere`)).status, 404);

  t.equal(await service.end("SIGINT"), 0, "Ctrl-C is a clean end");
  t.equal(service.stderr, "");
});

t.test("two workers, ended by a supervisor's signal", async (t) => {
  const service = start(t, ["--port", "0", "--workers", "2"]);
  const [, url] = await service.says(ADDRESS);
  t.match(service.stdout, /2 workers/);
  t.equal((await fetch(`${url}/json`)).status, 200);
  t.equal(await service.end("SIGTERM"), 0);
});

t.test("a port in use is one message with a way out, not a stack", async (t) => {
  const first = start(t, ["--port", "0"]);
  const [, url] = await first.says(ADDRESS);
  const second = await percore(["demo", "--hostname", "127.0.0.1", "--port", new URL(url ?? "").port]);
  t.equal(second.status, 1);
  t.match(second.stderr, /in use|EADDRINUSE/i);
  t.match(second.stderr, /--port/);
  t.notMatch(second.stderr, /^ +at /m);
  await first.end("SIGINT");
});

t.test("wrong options are refused with what would be right", async (t) => {
  for (const { args, wants } of [
    { args: ["--port", "99999"], wants: /0 to 65535/ },
    { args: ["--port", "http"], wants: /0 to 65535/ },
    { args: ["--workers", "0"], wants: /1 to 1024, or "auto"/ },
    { args: ["--driver", "epoll"], wants: /auto, uring, poll/ },
    { args: ["--prot", "80"], wants: /unknown option '--prot'/ },
    { args: ["--unix", "/tmp/percore-test.sock", "--port", "80"], wants: /unix and port exclude each other/ },
  ]) {
    const { status, stderr, stdout } = await percore(["demo", ...args]);
    t.equal(status, 1, args.join(" "));
    t.match(stderr, wants);
    t.notMatch(stderr, /^ +at /m, "no stack");
    t.equal(stdout, "");
  }
});
