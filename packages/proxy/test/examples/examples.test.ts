// What is shown works: the README's files and program, the examples, and what is there to deploy.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { loadConfig } from "../../src/config/load.ts";
import { planOf } from "../../src/config/plan-of.ts";
import { routesOf } from "../../src/config/routes-of.ts";
import { jsonSchema } from "../../src/config/schema.ts";
import { FLIGHT_KEYS_MAX, RATE_KEYS_MAX } from "../../src/limits/shared-memory.ts";
import { REASONS } from "../../src/plan.ts";
import { testProxy } from "../../src/testing/index.ts";
import { get, namedServer, Program } from "../run/program.ts";

const PACKAGE = fileURLToPath(new URL("../../../", import.meta.url));
const readme = readFileSync(join(PACKAGE, "README.md"), "utf8");

t.setTimeout(60_000);

const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"))].map((match) => match[1]);

t.test("the README's configurations", async (t) => {
  const folder = t.testdir({});
  t.equal(blocks("yaml").length, 2);
  for (const [index, text] of blocks("yaml").entries()) {
    writeFileSync(join(folder, `${index}.yaml`), text);
    t.ok(routesOf(await loadConfig(`${index}.yaml`, { folder })).length > 0);
  }
});

t.test("the README's program", async (t) => {
  const { port: upstream } = await namedServer(t, "app");
  const [program] = blocks("js");
  t.match(program, "port: 8080");
  // Inside this package its name resolves to it.
  const file = join(PACKAGE, "build", "readme-program.mjs");
  writeFileSync(file, program.replace("port: 8080", "port: 0").replace("localhost:3000", `127.0.0.1:${upstream}`));
  const running = new Program(t, [], PACKAGE, {}, file);
  const port = Number((await running.says(/Listening on http:\/\/localhost:(\d+)/))[1]);
  t.equal((await get({ port, path: "/hello/you" })).body, "hello you\n");
  t.equal((await get({ port, path: "/x" })).body, "app /x");
  t.equal(await running.exit("SIGTERM"), 0);
});

t.test("figures of the README are the program's", async (t) => {
  for (const figure of [RATE_KEYS_MAX, FLIGHT_KEYS_MAX]) t.match(readme, `${figure.toLocaleString("en")} keys`);
  for (const reason of Object.keys(REASONS)) t.match(readme, `\`${reason}\``);
});

t.test("the README's test of a configuration", async (t) => {
  const proxy = testProxy(
    { upstreams: { users: ["localhost:3000", "localhost:3001"] }, routes: [{ upstream: "users" }] },
    {
      servers: { "localhost:3000": () => "reset", "localhost:3001": ({ target }) => ({ body: `asked for ${target}` }) },
    },
  );
  t.teardown(() => proxy.close());
  const { response, record } = await proxy.fetch("/users/7");
  t.equal(await response.text(), "asked for /users/7");
  t.match(record, { server: "localhost:3001", tries: 2 });
  await proxy.advance(60_000);
});

const ENVIRONMENT: Readonly<Record<string, string>> = { ACCESS_LOG: "/dev/null" };

t.test("the examples are good, and do what they say", async (t) => {
  const folder = join(PACKAGE, "examples");
  const files = readdirSync(folder);
  t.same(files.sort(), ["canary.yaml", "grpc.yaml", "https.yaml", "percore.ts", "percore.yaml"]);
  for (const file of files.filter((name) => name.endsWith(".yaml"))) {
    const loaded = await loadConfig(file, { folder, environment: ENVIRONMENT });
    t.ok(planOf(loaded).upstreams.size > 0, file);
  }
  const named =
    (name: string) =>
    ({ target }: { target: string }) => ({ body: `${name} ${target}` });
  const load = (file: string): ReturnType<typeof loadConfig> => loadConfig(file, { folder, environment: ENVIRONMENT });

  const usual = testProxy(
    { ...(await load("percore.yaml")), kind: "data" },
    { servers: { "localhost:3000": named("one") } },
  );
  t.teardown(() => usual.close());
  t.equal(await (await usual.fetch("/api/users?x=1")).response.text(), "one /users?x=1");
  t.equal((await usual.fetch("/old/a/b")).response.headers.get("location"), "/a/b");
  t.equal((await usual.fetch("/static/nothing")).response.status, 404);

  const canary = testProxy(await load("canary.yaml"), { servers: { "localhost:3000": named("stable") } });
  t.teardown(() => canary.close());
  const tester = await canary.fetch("/x", { headers: { "x-canary": "always" } });
  t.equal(await tester.response.text(), "stable /x", "the canary is dead, so the fallback answers");

  const https = testProxy(await load("https.yaml"), { servers: { "localhost:3000": named("app") } });
  t.teardown(() => https.close());
  t.equal((await https.fetch("http://a.example/x?y")).response.headers.get("location"), "https://a.example:8443/x?y");

  const grpc = testProxy(await load("grpc.yaml"), {
    servers: { "localhost:3000": named("web"), "localhost:50051": named("grpc") },
  });
  t.teardown(() => grpc.close());
  t.equal(await (await grpc.fetch("/")).response.text(), "web /");
  const call = await grpc.fetch("/s/m", {
    method: "POST",
    headers: { "content-type": "application/grpc+proto" },
    body: "x",
  });
  t.equal(await call.response.text(), "grpc /s/m");
});

t.test("the example in TypeScript runs", async (t) => {
  const { port: upstream } = await namedServer(t, "users");
  const environment = { LISTEN: "127.0.0.1:0", USERS: `127.0.0.1:${upstream}` };
  const program = new Program(t, ["--config", "examples/percore.ts"], PACKAGE, environment);
  const port = Number((await program.says(/listens on http:\/\/127\.0\.0\.1:(\d+)\//))[1]);
  t.equal((await get({ port, path: "/users/7" })).body, "users /v2/users/7");
  t.equal((await get({ port, path: "/hello/you" })).body, "Hello you from 127.0.0.1\n");
  t.equal((await get({ port, path: "/users/x" })).status, 404);
  t.equal(await program.exit("SIGTERM"), 0);
});

t.test("schema.json is the schema", async (t) => {
  const written: unknown = JSON.parse(readFileSync(join(PACKAGE, "schema.json"), "utf8"));
  t.same(written, JSON.parse(JSON.stringify(jsonSchema())), "percore-proxy schema > schema.json");
});

t.test("the seccomp profile leaves io_uring alone", async (t) => {
  const profile = JSON.parse(readFileSync(join(PACKAGE, "deploy", "seccomp-io-uring.json"), "utf8")) as {
    defaultAction: string;
    syscalls: { names: string[]; action: string }[];
  };
  t.equal(profile.defaultAction, "SCMP_ACT_ALLOW");
  const refused = profile.syscalls.flatMap(({ names }) => names);
  t.ok(refused.includes("ptrace") && refused.includes("mount") && refused.includes("bpf"));
  t.same(
    refused.filter((name) => name.startsWith("io_uring")),
    [],
  );
});
