/** The part of Deno's own sockets that is used here. */
interface DenoConnection {
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  setNoDelay(): void;
  close(): void;
}
interface DenoListener {
  readonly addr: { readonly port: number };
  accept(): Promise<DenoConnection>;
  close(): void;
}
interface Deno {
  listen(at: { hostname: string; port: number }): DenoListener;
  connect(to: { hostname: string; port: number }): Promise<DenoConnection>;
  readonly permissions: { querySync(about: { name: "net"; host?: string }): { readonly state: string } };
}
const HOST = "127.0.0.1";
/** A timer this long, in milliseconds, lets Deno's event loop wait, and so look at sockets. */
const REST_MS = 1;
const BYTE = new Uint8Array(1);
/** More than arrives: after a read that filled its array, the next one would find its byte without a look at sockets. */
const ROOM_BYTES = 16;

/** The two ends of a connection of the process to itself; undefined: not yet, or there can be none. */
let ends: readonly [DenoConnection, DenoConnection] | undefined;
let asked = false;

/**
 * Calls back once Deno's event loop has looked at sockets: a byte that the process sends itself has arrived then. Where
 * that is not allowed, and until there is a connection for it, after a short timer.
 */
export function afterLook(run: () => void): void {
  if (!asked) void connectToItself();
  if (ends === undefined) return void setTimeout(run, REST_MS);
  const [from, to] = ends;
  Promise.all([from.write(BYTE), to.read(new Uint8Array(ROOM_BYTES))]).catch(() => void (ends = undefined)).then(run);
}

async function connectToItself(): Promise<void> {
  asked = true;
  const { Deno } = globalThis as unknown as { Deno: Deno };
  let listener: DenoListener | undefined;
  try {
    // Nobody is to be asked for a permission because of this.
    if (Deno.permissions.querySync({ name: "net", host: HOST }).state !== "granted") return;
    listener = Deno.listen({ hostname: HOST, port: 0 });
    const [to, from] = await Promise.all([
      listener.accept(),
      Deno.connect({ hostname: HOST, port: listener.addr.port }),
    ]);
    from.setNoDelay();
    ends = [from, to];
  } catch {
    // Timers do.
  } finally {
    listener?.close();
  }
}
