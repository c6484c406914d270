// This library's server with its metrics, collected by a producer once a second, which is far more often than usual.
import { telemetry } from "../../../src/otel.ts";
import { createGrpcServer } from "../../../src/server.ts";
import { listening } from "../listening.ts";
import { benchRoutes } from "../routes.ts";

const { metricProducer, server: observer } = telemetry({ experimental: true });
setInterval(() => void metricProducer.collect(), 1_000).unref();
const server = createGrpcServer({ routes: benchRoutes, observers: [observer] });
listening((await server.listen({ host: "127.0.0.1", port: 0 })).address);
