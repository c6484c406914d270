// What the examples read from environment variables. A bad value ends the program with exit code 2 and says why.
import process from "node:process";

const environment = process.env;

/** Prints what is wrong and exits with code 2: the user has to change something. */
export function fail(error: unknown): never {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exit(2);
}

/** Runs `use` with the variable's value; what it throws names the variable then. */
export function withVariable<T>(name: string, value: unknown, use: () => T): T {
  try {
    return use();
  } catch (error) {
    const Kind = error instanceof RangeError ? RangeError : TypeError;
    throw new Kind(`${name}=${JSON.stringify(value)}: ${(error as Error).message}`, { cause: error });
  }
}

/** ETCD_ENDPOINTS: etcd's client URLs, comma separated. */
export function etcdEndpoints(): string[] {
  return text("ETCD_ENDPOINTS", "http://127.0.0.1:2379").split(",").map((endpoint) => endpoint.trim());
}

/** SERVICE: the name that servers register under and clients look for. */
export function serviceName(): string {
  return text("SERVICE", "simple_grpc");
}

/** ADDRESS: where a server listens, and what it registers. Port 0 takes a free port. */
export function listenAddress(): { host: string; port: number } {
  const address = text("ADDRESS", "localhost:8000");
  const expected = `expected "host:port", for example "localhost:8000" or "[::1]:0" (port 0 takes a free one)`;
  const [, bracketed, name, port] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@?#[\]]+)):([0-9]+)$/.exec(address) ?? [];
  const host = bracketed ?? name;
  if (host === undefined) throw new TypeError(`ADDRESS=${JSON.stringify(address)}: ${expected}`);
  if (Number(port) > 65_535) {
    throw new RangeError(`ADDRESS=${JSON.stringify(address)} has a port above 65535: ${expected}`);
  }
  return { host, port: Number(port) };
}

/** A whole number from `least` up. */
export function wholeNumber(name: string, otherwise: number, least: number): number {
  const value = text(name, String(otherwise));
  const most = 2 ** 31 - 1;
  const expected = `expected a whole number from ${least} to ${most}`;
  if (!/^[+-]?[0-9]+$/.test(value)) throw new TypeError(`${name}=${JSON.stringify(value)}: ${expected}`);
  const number = Number(value);
  if (number < least || number > most) throw new RangeError(`${name}=${JSON.stringify(value)}: ${expected}`);
  return number;
}

function text(name: string, otherwise: string): string {
  const value = environment[name];
  return value === undefined || value === "" ? otherwise : value;
}
