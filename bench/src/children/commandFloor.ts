/**
 * The floor of the commands: bare `node:http` in front of the bare group commit. Its arguments: the database file; or the URL of a
 * PostgreSQL, and the schema.
 */
import { createServer } from "node:http"
import { announce } from "./announce.ts"
import { openGroupCommit, type Row } from "./groupCommit.ts"
import { openGroupInsert } from "./groupInsert.ts"

const [, , place = "", schema] = process.argv
const { append } = schema === undefined ? openGroupCommit(place) : await openGroupInsert(place, schema)

const lockUuid = crypto.randomUUID()

/** `/locks/:id/use-temp-key` and `/locks/:id/SetOwner`. */
const rowOf = (url: string, body: { readonly [field: string]: unknown }): Row => {
  const [, , id = "", command] = url.split("/")
  const lockId = Number(id)
  const timestamp = new Date().toISOString()
  return command === "SetOwner"
    ? { lockId, type: "OwnerSet", data: { lockId, uuid: lockUuid, timestamp, userId: body.userId } }
    : {
        lockId,
        type: "TempKeyUsed",
        data: { tempKeyUuid: body.tempKeyUuid, lockId, lockUuid, timestamp, usedCount: 1 }
      }
}

announce(
  createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      const row = rowOf(request.url ?? "", JSON.parse(Buffer.concat(chunks).toString()))
      append(row, (version) => {
        const { lockId, type, data } = row
        const text = JSON.stringify({ success: true, aggregateId: String(lockId), version, event: { type, data } })
        response
          .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
          .end(text)
      })
    })
  })
)
