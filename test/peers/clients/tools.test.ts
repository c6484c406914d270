// curl, nghttp and h2load against this library's server on the runtime of the test.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { create, toBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema } from "../../../gen/simple_pb.ts";
import { envelope } from "../../support/raw-http2/session.ts";
import { runtime, start } from "../../support/process.ts";
import { ensure, find, type Program } from "../../support/system.ts";
import { type Peer, startPeer } from "../peer.ts";
import { peersSkipped } from "../programs.ts";

const pem = (name: string) => fileURLToPath(new URL(`../../support/tls/${name}.pem`, import.meta.url));
const GRPC = ["-H", "content-type: application/grpc", "-H", "te: trailers"];
const UNARY = "/proto.Simple/Route", SERVER_STREAM = "/proto.Simple/RouteServerStream";
/** What h2load says of 2,000 calls that went well. */
const ALL_WENT_WELL = /2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout/;

/** Runs a program to its end; gives its output. */
async function run(program: Program, ...args: readonly string[]): Promise<string> {
  const child = start(find(program)!, args);
  const killer = setTimeout(() => child.signal("SIGKILL"), 60_000);
  await child.exited;
  clearTimeout(killer);
  return child.lines.join("\n");
}

for (const security of ["plain", "tls", "mtls"] as const) {
  describe(`as a server ${security === "plain" ? "in plaintext" : `over ${security}`}`, { skip: peersSkipped }, () => {
    let peer: Peer, folder: string, url: string;
    const put = async (name: string, data: string) => {
      const path = join(folder, name);
      await writeFile(path, envelope(toBinary(SimpleRequestSchema, create(SimpleRequestSchema, { data }))));
      return path;
    };
    before(async () => {
      ensure("peers");
      folder = await mkdtemp(join(tmpdir(), "connect-lb-tools-"));
      const args = security === "plain" ? [] : [`--${security}`];
      peer = await startPeer({ name: "connect-lb", script: "connect-lb", on: runtime }, ...args);
      url = `${security === "plain" ? "http" : "https"}://${peer.address}`;
    });
    after(async () => {
      await peer.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const identity = security === "mtls" ? ["--cert", pem("client"), "--key", pem("client-key")] : [];
    const curl = (...args: readonly string[]) => {
      const secure = security === "plain"
        ? ["--http2-prior-knowledge"]
        : ["--http2", "--cacert", pem("ca"), ...identity];
      return run("curl", "--silent", "--show-error", "--max-time", "30", ...secure, ...args);
    };

    it("serves curl by Connect's protocol", async () => {
      const json = ["-H", "content-type: application/json", "-d"];
      assert.equal(await curl(...json, '{"data":"grüße"}', url + UNARY), '{"code":200,"value":"grüße"}');
      assert.match(
        await curl(...json, '{"data":"fail"}', url + UNARY),
        /"code":"failed_precondition","message":"as asked/,
      );
    });

    it("serves curl by gRPC", async () => {
      const path = join(folder, "answer");
      const body = ["--data-binary", `@${await put("a", "a")}`];
      const heads = await curl(...GRPC, ...body, "--dump-header", "-", "--output", path, url + UNARY);
      assert.match(heads, /^HTTP\/2 200/);
      assert.match(heads, /content-type: application\/grpc[^]*grpc-status: 0/);
    });

    it("serves curl a message of 3 MiB both ways", async () => {
      const body = ["--data-binary", `@${await put("large", "x".repeat(3 * 2 ** 20))}`];
      const written = ["--output", join(folder, "answer"), "--write-out", "%{http_code} %{size_download}"];
      // Envelope, `code: 200`, and the text with its tag and length.
      const size = 5 + 3 + 5 + 3 * 2 ** 20;
      assert.equal(await curl(...GRPC, ...body, ...written, url + UNARY), `200 ${size}`);
    });

    if (security === "mtls") {
      it("serves curl nothing without a certificate", async () => {
        const args = ["--silent", "--show-error", "--http2", "--cacert", pem("ca"), "--max-time", "30"];
        assert.match(await run("curl", ...args, url + UNARY), /^curl: \(\d+\)/);
      });
      return;
    }

    for (const [kind, more] of [["", []], [" with padding", ["--padding", "255"]]] as const) {
      it(`serves nghttp${kind} into windows of 1 KiB`, async () => {
        const args = ["-v", "-n", ...GRPC, "-w", "10", "-d", await put("stream", "100:100"), ...more];
        const said = await run("nghttp", ...args, url + SERVER_STREAM);
        assert.match(said, /:status: 200[^]*grpc-status: 0/);
        const bytes = [...said.matchAll(/recv DATA frame <length=(\d+),/g)].map(([, length]) => Number(length));
        assert.equal(bytes.reduce((sum, length) => sum + length, 0), 100 * (5 + 3 + 2 + 100));
      });
    }

    it("serves h2load", async () => {
      const args = [...GRPC, "-n", "2000", "-c", "4", "-m", "100", "-d", await put("a", "a")];
      assert.match(await run("h2load", ...args, url + UNARY), ALL_WENT_WELL);
    });

    it("serves h2load 2,000 streams on one connection", async () => {
      const args = [...GRPC, "-n", "2000", "-c", "1", "-m", "2000", "-d", await put("a", "a")];
      assert.match(await run("h2load", ...args, url + UNARY), ALL_WENT_WELL);
    });

    it("serves h2load streams into windows of 1 KiB", async () => {
      const args = [...GRPC, "-n", "2000", "-c", "4", "-m", "10", "-w", "10", "-d", await put("ten", "10:300")];
      assert.match(await run("h2load", ...args, url + SERVER_STREAM), ALL_WENT_WELL);
    });
  });
}
