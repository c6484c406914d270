// A layout of your own: how your project spells its registrations in etcd. In your own project import from
// "connect-lb/etcd" (on JSR: "@connect-lb/connect-lb/etcd") in place of "../src/etcd.ts", and pass it to a registry:
//
//   createEtcdRegistry({ endpoints: ["http://127.0.0.1:2379"], layout: ourLayout })
import { type Layout, readEntry } from "../src/etcd.ts";

/** `/services/<service>/<host:port>` → `{"addr":"10.0.0.5:8000","dc":"eu-1","share":3}` */
export const ourLayout: Layout = {
  root: "/services/",
  prefix: (service) => `/services/${service}/`,
  serviceOf: (key) => key.split("/")[2],
  write: ({ service, address, zone = "", weight = 1 }) => ({
    key: `/services/${service}/${address}`,
    value: JSON.stringify({ addr: address, dc: zone, share: weight }),
  }),
  read(key, value) {
    const { addr, dc, share } = JSON.parse(value);
    return { ...readEntry(key, String(addr)), zone: String(dc), weight: share > 0 ? Number(share) : 1 };
  },
};
