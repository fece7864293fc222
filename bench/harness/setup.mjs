// `npm run bench -- setup`: installs the peers. Debian packages without starting any service, npm packages below bench/peers.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, rmSync, writeFileSync } from "node:fs";
import { PEERS } from "./paths.mjs";

const PACKAGES = [
  "gcc",
  "libc6-dev",
  "wrk",
  "nginx-light",
  "haproxy",
  "caddy",
  "nghttp2-client",
  "nghttp2-server",
  "openssl",
  "librust-hyper-dev",
  "librust-tokio-dev",
];

/** Debian asks this program before a package may start its service; 101 means no. */
const POLICY = "/usr/sbin/policy-rc.d";

const call = (program, args, options = {}) => {
  console.log(`$ ${program} ${args.join(" ")}`);
  const { status, error } = spawnSync(program, args, { stdio: "inherit", ...options });
  if (status !== 0) throw new Error(`${program} failed: ${error?.message ?? `status ${status}`}`);
};

const isInstalled = (name) => {
  const { stdout } = spawnSync("dpkg", ["--status", name], { encoding: "utf8" });
  return stdout.includes("Status: install ok installed");
};

const hasCargo = () => spawnSync("cargo", ["--version"]).status === 0;

const installDebian = () => {
  const missing = [...PACKAGES, ...(hasCargo() ? [] : ["cargo"])].filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (process.getuid() !== 0)
    throw new Error(`needs root once: apt-get install --no-install-recommends ${missing.join(" ")}`);
  const isOurs = !existsSync(POLICY);
  if (isOurs) {
    writeFileSync(POLICY, "#!/bin/sh\nexit 101\n");
    chmodSync(POLICY, 0o755);
  }
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    call("apt-get", ["update", "-qq"], { env });
    call("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...missing], { env });
  } finally {
    if (isOurs) rmSync(POLICY, { force: true });
  }
};

/** @returns {Promise<number>} the exit status */
export const runSetup = async () => {
  if (existsSync("/usr/bin/apt-get")) installDebian();
  else console.log(`not Debian: install these yourself: ${PACKAGES.join(" ")}`);
  call("npm", ["install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: PEERS });
  const { buildFloor, buildHyper, buildLoad } = await import("./build.mjs");
  await Promise.all([buildLoad(), buildFloor("uring"), buildFloor("epoll")]);
  await buildHyper();
  console.log("the peers are ready: npm run bench -- h1 --quick");
  return 0;
};
