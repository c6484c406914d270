// This library's server.
import { createGrpcServer } from "../../../src/server.ts";
import { listening } from "../listening.ts";
import { benchRoutes } from "../routes.ts";

const server = createGrpcServer({ routes: benchRoutes });
listening((await server.listen({ host: "127.0.0.1", port: 0 })).address);
