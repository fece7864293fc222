// A TCP echo with rented buffers: what `read` lends is handed to `write`, which gives it back when the kernel is done
// with it. No byte is copied. Usage: node tcp-echo.mjs [port]
import { listen, rent } from "@percore/core";

const echo = async (stream) => {
  const connection = rent(stream);
  try {
    for (;;) {
      const { lease } = await connection.read();
      if (lease === null) break;
      await connection.write(lease);
    }
    connection.end();
  } catch (error) {
    console.log(`connection lost: ${error.code}`);
  }
};

const listener = await listen({ port: Number(process.argv[2] ?? 7000), hostname: "127.0.0.1" }, echo);
console.log(`echo on ${listener.address.address}:${listener.address.port}`);

process.once("SIGTERM", async () => {
  await listener.close();
  console.log("closed");
});
