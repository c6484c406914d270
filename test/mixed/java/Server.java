// A server of the demo service on grpc-java, which knows nothing of etcd: `Server.java <name> <port>`, run from its source.
// It answers with its name and what came. SIGTERM ends it when its calls have ended.
import static io.grpc.MethodDescriptor.MethodType.BIDI_STREAMING;
import static io.grpc.MethodDescriptor.MethodType.CLIENT_STREAMING;
import static io.grpc.MethodDescriptor.MethodType.SERVER_STREAMING;
import static io.grpc.MethodDescriptor.MethodType.UNARY;

import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

class Server {
  static final int MESSAGES = 3;

  /** The text of a SimpleRequest, its field 1; short ones only. */
  static class Requests implements MethodDescriptor.Marshaller<String> {
    public InputStream stream(String value) {
      throw new UnsupportedOperationException();
    }

    public String parse(InputStream stream) {
      try {
        byte[] bytes = stream.readAllBytes();
        return bytes.length < 2 ? "" : new String(bytes, 2, bytes.length - 2, StandardCharsets.UTF_8);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }

  /** A SimpleResponse with the code 200 (field 1) and a text (field 2); short ones only. */
  static class Responses implements MethodDescriptor.Marshaller<String> {
    public InputStream stream(String value) {
      byte[] text = value.getBytes(StandardCharsets.UTF_8);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      out.writeBytes(new byte[] {8, (byte) 200, 1, 18, (byte) text.length});
      out.writeBytes(text);
      return new ByteArrayInputStream(out.toByteArray());
    }

    public String parse(InputStream stream) {
      throw new UnsupportedOperationException();
    }
  }

  static MethodDescriptor<String, String> method(String name, MethodDescriptor.MethodType type) {
    return MethodDescriptor.<String, String>newBuilder(new Requests(), new Responses())
        .setFullMethodName("proto.Simple/" + name)
        .setType(type)
        .build();
  }

  /** Takes requests; what is to be done with each, and at the end. */
  static StreamObserver<String> taking(Consumer<String> next, Runnable end) {
    return new StreamObserver<>() {
      public void onNext(String data) {
        next.accept(data);
      }

      public void onError(Throwable error) {}

      public void onCompleted() {
        end.run();
      }
    };
  }

  public static void main(String[] args) throws Exception {
    String name = args[0];
    int port = Integer.parseInt(args[1]);
    ServerServiceDefinition service = ServerServiceDefinition.builder("proto.Simple")
        .addMethod(method("Route", UNARY), ServerCalls.asyncUnaryCall((data, answers) -> {
          answers.onNext(name + ": " + data);
          answers.onCompleted();
        }))
        .addMethod(method("RouteServerStream", SERVER_STREAMING), ServerCalls.asyncServerStreamingCall((data, answers) -> {
          for (int i = 0; i < MESSAGES; i++) answers.onNext(name + ": " + data);
          answers.onCompleted();
        }))
        .addMethod(method("RouteClientStream", CLIENT_STREAMING), ServerCalls.asyncClientStreamingCall(answers -> {
          String[] last = {""};
          return taking(data -> last[0] = data, () -> {
            answers.onNext(name + ": " + last[0]);
            answers.onCompleted();
          });
        }))
        .addMethod(method("RouteBidiStream", BIDI_STREAMING), ServerCalls.asyncBidiStreamingCall(answers ->
            taking(data -> answers.onNext(name + ": " + data), answers::onCompleted)))
        .build();
    io.grpc.Server server =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port)).addService(service).build().start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        server.shutdown().awaitTermination(5, TimeUnit.SECONDS);
      } catch (InterruptedException error) {
        Thread.currentThread().interrupt();
      }
      // Otherwise the virtual machine ends with 143.
      Runtime.getRuntime().halt(0);
    }));
    System.out.println("listening 127.0.0.1:" + port + " " + ProcessHandle.current().pid());
    server.awaitTermination();
  }
}
