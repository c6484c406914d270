// Servers of the demo service that fall ill when they are asked to: `sick-server.ts --count 3 --ledger <file>`. It says
// where they listen in a line "peers [address, …]". A call of Route with "become <mode>" makes its server:
//
//   well         answers after 10 ms
//   unavailable  answers Unavailable after 10 ms
//   fast         answers Unavailable at once
//   slow         answers after 5 s
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createGrpcServer } from "../../src/server.ts";
import { answerTo } from "./calls.ts";
import { LedgerWriter } from "./ledger.ts";

const { values: options } = parseArgs({
  options: { count: { type: "string", default: "1" }, ledger: { type: "string" }, port: { type: "string" } },
});
const ledger = new LedgerWriter(options.ledger!);

const WORK_MS: Readonly<Record<string, number>> = { well: 10, unavailable: 10, fast: 0, slow: 5_000 };

function routes(router: ConnectRouter): void {
  let mode = "well";
  router.service(Simple, {
    async route({ data }) {
      const asked = /^become (\w+)$/.exec(data)?.[1];
      if (asked !== undefined) {
        if (!(asked in WORK_MS)) throw new ConnectError(`no mode "${asked}"`, Code.InvalidArgument);
        mode = asked;
        return {};
      }
      if (data === "poison") throw new ConnectError("the request is poisonous", Code.Internal);
      const workMs = WORK_MS[mode]!;
      if (workMs > 0) await sleep(workMs);
      if (mode === "unavailable" || mode === "fast") throw new ConnectError("out of order", Code.Unavailable);
      ledger.processed(data);
      return { code: 200, value: answerTo(data) };
    },
  });
}

const addresses: string[] = [];
for (let i = 0; i < Number(options.count); i++) {
  const { address } = await createGrpcServer({ routes }).listen({ host: "127.0.0.1", port: 0 });
  addresses.push(address);
}
console.log(`peers ${JSON.stringify(addresses)}`);
console.log("listening 0");
// Ends with its parent process, also when that is killed.
process.stdin.on("end", () => process.exit(0)).resume();
