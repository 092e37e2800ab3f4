/** Copied into a CommonJS package, and run by Jest in jsdom: what a page has works, and the rest says where it belongs. */
const { connect, serve } = require("openline");
const { reconnecting } = require("openline/browser");

test("a message goes there and back", async () => {
  const echoed = await new Promise((resolve, reject) => {
    connect(process.env.ECHO_URL, { message: (_, data) => resolve(data) }).then(
      (connection) => connection.send("text"),
      reject,
    );
  });
  expect(echoed).toBe("text");
});

test("what is for Node alone says so", () => {
  expect(serve).toThrow("it is for Node");
  expect(typeof reconnecting).toBe("function");
});
