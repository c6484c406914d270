// node --import: puts the old fault back that SIMULATION_FAULT names, as modules are loaded. Empty: none.
import { registerHooks } from "node:module";
import { changed } from "./old-fault.ts";
import { OLD_FAULTS } from "./old-faults.ts";

const name = process.env["SIMULATION_FAULT"] ?? "";
const fault = OLD_FAULTS.find((other) => other.name === name);
if (fault === undefined && name !== "") throw new Error(`SIMULATION_FAULT: there is no old fault "${name}"`);
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const changes = fault?.changes.filter(({ file }) => url.endsWith(`/${file}`)) ?? [];
    if (changes.length === 0) return loaded;
    return { ...loaded, source: changed(new TextDecoder().decode(loaded.source as Uint8Array), changes) };
  },
});
