// node --import: puts the old fault back that SIMULATION_FAULT names, as modules are loaded.
import { registerHooks } from "node:module";
import { OLD_FAULTS } from "./old-faults.ts";

const fault = OLD_FAULTS.find(({ name }) => name === process.env["SIMULATION_FAULT"]);
if (fault === undefined) throw new Error("SIMULATION_FAULT names no old fault");
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (!url.endsWith(`/${fault.file}`)) return loaded;
    const text = new TextDecoder().decode(loaded.source as Uint8Array);
    if (!text.includes(fault.now)) throw new Error(`${fault.file} has changed: "${fault.name}" can't be put back`);
    return { ...loaded, source: text.replace(fault.now, () => fault.then) };
  },
});
