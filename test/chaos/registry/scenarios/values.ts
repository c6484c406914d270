// What others may have put under a service's name.
import type { RegistryScenario } from "../lab.ts";

const SEEN_MS = 5_000;

const bytes = (...values: number[]) => new Uint8Array(values);

/** Values that are no registrations, or must not be taken for ones, by what they are. */
const HOSTILE: Readonly<Record<string, string | Uint8Array>> = {
  "a host with a path and a user": "evil.example/@host:1",
  "a user": "user:password@host:1",
  "an invalid port": "host:99999",
  "port 0": "host:0",
  "a negative port": "host:-1",
  "no port": "host",
  "a wildcard": "0.0.0.0:80",
  "a wildcard of IPv6": "[::]:80",
  "CR LF": "host:1\r\nX-Evil: 1",
  "a line of its own": "good\nhost:1",
  "NUL": "host\0:1",
  "a space": "evil host:1",
  "a query": "host:1?x=1",
  "a fragment": "host:1#x",
  "a URL of another kind": "javascript:alert(1)",
  "a URL without a host": "http://",
  "binary": bytes(0xff, 0xfe, 0, 1, 2, 0x80),
  "half a UTF-8 sequence": bytes(0x31, 0x32, 0x37, 0xe2, 0x82),
  "1 MiB": "x".repeat(1 << 20),
  "1 MiB of JSON": JSON.stringify({ Addr: "127.0.0.1:6", Metadata: "x".repeat((1 << 20) - 100) }),
  "JSON cut short": '{"Addr":"127.0.0.1:7"',
  "JSON of another kind": "[1]",
  "JSON without an address": '{"name":"x"}',
  "JSON with an invalid address": '{"Addr":{"toString":"127.0.0.1:1"}}',
  "deep JSON": `{"Addr":"127.0.0.1:8","Metadata":${"[".repeat(10_000)}${"]".repeat(10_000)}}`,
  "a prototype in JSON": '{"Addr":"127.0.0.1:9","Metadata":{"__proto__":{"polluted":true}}}',
  "an address from the prototype": '{"__proto__":{"Addr":"127.0.0.1:10"}}',
  "a host with Unicode": "ｅvil:1",
  "an IPv6 zone with a path": "[fe80::1%/../eth0]:1",
};

/** Values that look odd and are right. */
const GOOD: Readonly<Record<string, readonly [value: string, address: string]>> = {
  "a name": ["host.example:1", "host.example:1"],
  "an IPv6 zone": ["[fe80::1%eth0]:1", "[fe80::1%eth0]:1"],
  "white space around": [" 127.0.0.1:3\n", "127.0.0.1:3"],
  "prototype's names": ['{"Addr":"127.0.0.1:4","constructor":{"prototype":{}}}', "127.0.0.1:4"],
};

export const hostileValues: RegistryScenario = {
  name: "hostile-values",
  title: `${Object.keys(HOSTILE).length} values that are malformed, huge, binary or hostile, both listed and watched`,
  bound: "each is skipped and reported once; the valid ones among them are seen within 5,000 ms",
  limitMs: 60_000,
  async run(lab) {
    const { gateway, etcd } = await lab.etcd();
    const right = Object.values(GOOD).map(([, address]) => address);
    for (const service of lab.quick ? ["watched"] : ["listed", "watched"]) {
      const put = async () => {
        for (const [name, value] of Object.entries(HOSTILE)) await gateway.put(`/grpclb/${service}/${name}`, value);
        // A key that is no text either.
        await gateway.put(joined(`/grpclb/${service}/`, bytes(0xff, 0xfe)), "no address");
        for (const [name, [value]] of Object.entries(GOOD)) await gateway.put(`/grpclb/${service}/${name}`, value);
        return Date.now();
      };
      if (service === "listed") await put();
      const clients = lab.open({ endpoints: [etcd.url], service, ttlSeconds: 15 });
      await lab.each(clients, (client) => client.registered());
      const putMs = service === "watched" ? await put() : NaN;
      const all = clients.map(({ config }) => config.address!);
      await lab.each(clients, async (client) => {
        const { figures } = client;
        const seen = await client.sees([...right, ...all]);
        if (service === "watched") figures.within("seen after", Math.max(0, seen - putMs), SEEN_MS);
        const skipped = client.events("value-skipped").map(({ key }) => key!.slice(client.prefix.length));
        const expected = Object.keys(HOSTILE);
        figures.none(`not reported, ${service}`, expected.filter((name) => !skipped.includes(name)));
        figures.atMost(`reports, ${service}`, skipped.length, expected.length + 1, "", skipped);
      });
      await lab.each(clients, (client) => client.judge(gateway));
    }
  },
};

function joined(prefix: string, rest: Uint8Array): Uint8Array {
  return Uint8Array.from([...new TextEncoder().encode(prefix), ...rest]);
}
