// Finds the addon (a build made here, else the one shipped for this platform) and re-exports it.
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
const here = fileURLToPath(new URL(".", import.meta.url));

const candidates = () => {
  const named = process.env.PERCORE_ADDON;
  if (named) return [named];
  return ["./build/Release/percore.node", `./prebuilds/${process.platform}-${process.arch}/percore.node`];
};

const load = () => {
  if (process.platform !== "linux") {
    throw new Error(`@percore/native: only Linux is supported, this is ${process.platform}`);
  }
  const failures = [];
  for (const candidate of candidates()) {
    try {
      return require(candidate);
    } catch (error) {
      failures.push(`  ${candidate}: ${error.message.split("\n")[0]}`);
    }
  }
  throw new Error(
    `@percore/native: no addon for ${process.platform}-${process.arch} and Node ${process.version} could be loaded.\n` +
      `${failures.join("\n")}\n` +
      `Compile it (needs g++ 11 or newer, make and python3; on Debian: apt-get install g++ make python3):\n` +
      `  cd ${here} && npx node-gyp@12.4.0 rebuild -- -Dstrict=0\n` +
      `Put --nodedir=/usr before the -- where Node's headers are installed and nothing can be downloaded.`,
  );
};

const addon = load();

export const {
  acceptQueue,
  bind,
  close,
  constants,
  COUNTERS,
  DESCRIPTOR,
  duplicate,
  errno,
  getAffinity,
  getCpu,
  getFlags,
  getpeername,
  getsockname,
  getsockoptInt,
  gettid,
  LAYOUT,
  listen,
  OP,
  openRing,
  peercred,
  probeRing,
  RING,
  rlimit,
  sendfile,
  setAffinity,
  setCloexec,
  setLinger,
  setNonblock,
  setPrivileges,
  setsockoptInt,
  shutdown,
  socket,
  socketpair,
  USER_DATA,
} = addon;
