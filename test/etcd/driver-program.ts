// Uses a driver as a registry does, in good times and bad, and closes it; prints what was unhandled.
import process from "node:process";
import { driverKinds, onEndpoint, range } from "./drivers.ts";

process.on("unhandledRejection", (reason) => console.log("unhandled", reason));
const [name = "", address = "", dead = ""] = process.argv.slice(2);
const kind = driverKinds.find((other) => other.name === name);
if (kind === undefined) throw new Error(`no driver is called ${name}`);

// What holds an application is its server: a driver doesn't.
const server = setInterval(() => {}, 1_000);
const driver = kind.create();
const { call, put, watch } = onEndpoint(driver, address);
const first = await put("program/");
await driver.leaseKeepAlive(1n, call());
const stream = watch(first, "program/");
while ((await stream.next()).events.length === 0);
// Opened and never read, left while it opens, and one that nobody stops.
driver.watch(call()).create({ ...range("program/"), watchId: 1n, startRevision: first });
watch(first, "program/").stop();
await watch(first, "program/").next();

// Nothing listens at the other endpoint; calls are left in flight on both.
const other = onEndpoint(driver, dead);
await driver.range(range("program/"), other.call()).catch(() => console.log("refused"));
await other.watch(1n, "program/").failure();
void driver.range(range("program/"), call()).catch(() => {});
void driver.range(range("program/"), other.call()).catch(() => {});
const own = new AbortController();
void driver.leaseKeepAlive(2n, call(own.signal)).catch(() => {});
own.abort();
driver.reset(call().endpoint, driver.generation(call().endpoint));
void driver.range(range("program/"), call()).catch(() => {});
await driver.close();
clearInterval(server);
await driver.range(range("program/"), call()).catch(() => console.log("closed"));
