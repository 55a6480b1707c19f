import { SenderError, schema, t, table } from "spacetimedb/server"

const counter = table({ name: "counter", public: true }, { name: t.string().primaryKey(), value: t.u32() })
const spacetimedb = schema({ counter })
export default spacetimedb

export const increment = spacetimedb.reducer({ name: t.string() }, (ctx, { name }) => {
  if (name === "") throw new SenderError("a counter has a name")
  const found = ctx.db.counter.name.find(name)
  if (found === null) ctx.db.counter.insert({ name, value: 1 })
  else ctx.db.counter.name.update({ name, value: found.value + 1 })
})
