// node-headers.mjs — saves node-gyp a download where the headers of the running Node are installed beside it.
import { existsSync, readFileSync, realpathSync } from "node:fs";
import path from "node:path";

/** The `nodedir` of a Node binary (the folder that holds include/node of the same version), or undefined. */
export const nodeDirectory = (binary = process.execPath, version = process.versions.node) => {
  const directory = path.dirname(path.dirname(realpathSync(binary)));
  const header = path.join(directory, "include", "node", "node_version.h");
  if (!existsSync(header)) return undefined;
  const text = readFileSync(header, "utf8");
  const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
  return [part("MAJOR"), part("MINOR"), part("PATCH")].join(".") === version ? directory : undefined;
};

/** The environment in which node-gyp compiles for the running Node. An explicit `nodedir` is left alone. */
export const addonEnvironment = (environment = process.env) => {
  const directory = environment.npm_config_nodedir ?? nodeDirectory();
  return directory === undefined ? environment : { ...environment, npm_config_nodedir: directory };
};
