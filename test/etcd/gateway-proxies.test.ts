// etcd's JSON gateway behind proxies: nginx with a path of its own, and etcd's grpc-proxy, which doesn't serve it.
import assert from "node:assert/strict";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";
import { peersSkipped, put, type Running, startProgram } from "../peers/programs.ts";
import { type Etcd, etcdctl, etcdSkipped, startEtcd } from "../support/etcd.ts";
import { type EtcdProxy, startEtcdProxy } from "../support/etcd-proxy.ts";
import { eventually } from "../support/eventually.ts";
import { consume } from "./scripted.ts";

const skip = etcdSkipped || peersSkipped;

/** nginx as it comes but for unbuffered answers, without which watches are not seen in time. */
function startNginx(upstream: string): Promise<Running> {
  return startProgram("nginx", 1, async (folder, [port]) => {
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const config = `
      daemon off;
      ${process.getuid?.() === 0 ? "user root;" : ""}
      pid ${folder}/pid;
      error_log stderr crit;
      events {}
      http {
        access_log off;
        ${temporary.map((kind) => `${kind}_temp_path ${folder}/${kind};`).join(" ")}
        server {
          listen 127.0.0.1:${port};
          location /etcd/ { proxy_pass http://${upstream}/; proxy_buffering off; }
        }
      }`;
    return ["-p", folder, "-e", "stderr", "-c", await put(folder, "nginx.conf", config)];
  });
}

describe("etcd's JSON gateway behind proxies", () => {
  let etcd: Etcd, nginx: Running | undefined, grpcProxy: EtcdProxy | undefined;
  before(async () => {
    if (skip) return;
    etcd = await startEtcd();
    [nginx, grpcProxy] = await Promise.all([startNginx(`127.0.0.1:${etcd.port}`), startEtcdProxy(etcd)]);
  });
  after(async () => {
    await Promise.all([nginx?.stop(), grpcProxy?.stop()]);
    if (!skip) await etcd.stop();
  });

  it("works behind nginx, under a path", { skip }, async () => {
    const registry = createGatewayRegistry({ endpoints: [`http://127.0.0.1:${nginx?.ports[0]}/etcd`] });
    const consumer = consume(registry.resolver("a"));
    const registration = registry.register({ service: "a", address: "10.0.0.5:8000" });
    await registration.ready;
    await eventually("it is seen", () => consumer.now?.length === 1);
    await etcdctl(etcd, "put", "/grpclb/a/2", "10.0.0.6:8000");
    await eventually("etcdctl's key is seen", () => consumer.now?.join(" ") === "10.0.0.5:8000 10.0.0.6:8000");
    assert.match(await etcdctl(etcd, "get", "/grpclb/a/10.0.0.5:8000"), /\n10\.0\.0\.5:8000\n/);
    await registration.close();
    await eventually("it is gone", () => consumer.now?.join(" ") === "10.0.0.6:8000");
    assert.equal(consumer.stale, undefined);
    consumer.stop();
    await registry.close();
  });

  it("says what to look for where it is not served: at a grpc-proxy, or under another path", { skip }, async () => {
    for (const url of [(grpcProxy as EtcdProxy).url, `http://127.0.0.1:${nginx?.ports[0]}`]) {
      const registry = createGatewayRegistry({ endpoints: [url] });
      const listing = registry.resolver("a").list!(new AbortController().signal);
      await assert.rejects(listing, /HTTP 404: is this etcd's JSON gateway\?.*grpc-proxy does not serve it/);
      await registry.close();
    }
  });
});
