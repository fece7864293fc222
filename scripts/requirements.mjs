// requirements.mjs — what must be on the machine before anything is installed, and the line that installs it.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";

const NODE_MIN = [20, 19];
/** The first release of each compiler whose C++20 is complete enough for native/. */
const GCC_MIN = 10;

const works = (file, args) => {
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 20_000 });
  } catch {
    return undefined;
  }
};

const osFamily = () => {
  if (process.platform !== "linux" || !existsSync("/etc/os-release")) return process.platform;
  const release = readFileSync("/etc/os-release", "utf8");
  const words = [...release.matchAll(/^(?:ID|ID_LIKE)=(.*)$/gm)].flatMap((match) =>
    match[1].replaceAll('"', "").split(" "),
  );
  return (
    ["debian", "ubuntu", "fedora", "rhel", "alpine", "arch", "suse"].find((name) => words.includes(name)) ?? "linux"
  );
};

const installLine = (missing) => {
  const root = process.getuid?.() === 0 ? "" : "sudo ";
  const names = (table) => [...new Set(missing.map((tool) => table[tool] ?? tool))].join(" ");
  switch (osFamily()) {
    case "debian":
    case "ubuntu":
      return `${root}apt-get update && ${root}apt-get install -y ${names({})}`;
    case "fedora":
    case "rhel":
      return `${root}dnf install -y ${names({ "g++": "gcc-c++" })}`;
    case "alpine":
      return `${root}apk add ${names({ "g++": "g++ linux-headers" })}`;
    case "arch":
      return `${root}pacman -S --needed ${names({ "g++": "gcc", python3: "python" })}`;
    case "suse":
      return `${root}zypper install ${names({ "g++": "gcc-c++" })}`;
    case "darwin":
      return "xcode-select --install";
    default:
      return `install ${missing.join(", ")} with your system's package manager`;
  }
};

/** @returns {string | undefined} what is wrong with this Node, or nothing. */
export const nodeProblem = (version = process.versions.node) => {
  const [major, minor] = version.split(".").map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return undefined;
  return `Node.js ${NODE_MIN.join(".")} or newer is needed, this is ${version}. See https://nodejs.org/en/download`;
};

/** Checks for what compiling the addon takes. @returns {string | undefined} the problem and the line that mends it. */
export const compilerProblem = () => {
  const missing = [];
  const compiler = process.env.CXX ?? "g++";
  const version = works(compiler, ["-dumpversion"]);
  if (version === undefined) missing.push("g++");
  else if (compiler === "g++" && process.platform === "linux" && Number.parseInt(version, 10) < GCC_MIN) {
    return `g++ ${GCC_MIN} or newer is needed for C++20, this is ${version.trim()}. Set CXX to a newer compiler.`;
  }
  if (works("make", ["--version"]) === undefined) missing.push("make");
  if (works(process.env.PYTHON ?? "python3", ["--version"]) === undefined) missing.push("python3");
  if (missing.length === 0) return undefined;
  return `Missing to compile the addon: ${missing.join(", ")}. This installs it:\n\n    ${installLine(missing)}\n`;
};
