import { createServerOver } from "../../../src/server/grpc-server.ts";
import type { ByteStream } from "../../../src/http2/byte-stream.ts";
import type { World } from "./world.ts";

/** What can be at an address where a server was: gRPC without its service, something else, or what says nothing. */
export type Stranger = "another service" | "another protocol" | "silent";

/** Another machine takes an address over, which is free. Leaves it once the returned function is called. */
export function strangerAt(world: World, address: string, stranger: Stranger): () => void {
  const process = world.process(address, `${stranger} at ${address} from ${world.time.now()}`);
  const { clock, chance, scheduleFlush, nextTurn } = process;
  const { maxConcurrentStreams } = world.server(address).plan;
  const grpc = createServerOver({ routes: () => {}, clock, limits: { maxConcurrentStreams } }, {
    listen: () => Promise.reject(new Error("not here")),
    scheduleFlush,
    scheduleStreamFlush: scheduleFlush,
    nextTurn,
    http1: undefined,
    random: chance.of("server").next,
  });
  const greets = new TextEncoder().encode("SSH-2.0-OpenSSH_9.2p1\r\n");
  world.network.listen(address, {
    process,
    accept(stream) {
      if (stranger === "another service") return grpc.serveConnection(stream);
      ignore(stream);
      if (stranger === "another protocol") stream.write(greets);
    },
  });
  world.trace.note(address, `is taken: ${stranger}`);
  return () => {
    world.network.close(address, process);
    process.die();
    world.trace.note(address, "is free");
  };
}

function ignore(stream: ByteStream): void {
  stream.start({ data() {}, writable() {}, end: () => stream.destroy(), closed() {} });
}
