/** The module that `spacetime publish` takes: its tables, and who may call what. Exports nothing else. */
import type { Infer, InferTypeOfRow, t } from "spacetimedb/server"
import { OLDEST_CLIENT, VERSION } from "../moduleVersion.ts"
import * as access from "./access.ts"
import * as attempts from "./attempts.ts"
import { database, head, procedures, reducers, type Transaction } from "./database.ts"
import * as feed from "./feed.ts"
import * as log from "./log.ts"
import * as presence from "./presence.ts"
import * as readModel from "./readModel.ts"
import * as records from "./records.ts"

export default database

export const init = database.init(access.init)
export const client_connected = database.clientConnected(access.checkToken)

/** Only for writers. */
const guarded =
  <Args>(write: (tx: Transaction, args: Args) => void) =>
  (tx: Transaction, args: Args): void => {
    access.requireWriter(tx)
    write(tx, args)
  }

/** A transaction that answers, for writers. */
const answering = <Params extends Parameters<typeof t.object>[1], Returns extends Parameters<typeof t.array>[0]>(
  { params, returns }: { readonly params: Params; readonly returns: Returns },
  answer: (tx: Transaction, args: InferTypeOfRow<Params>) => Infer<Returns>
) =>
  database.procedure(params, returns, (ctx, args) =>
    ctx.withTx((tx) => {
      access.requireWriter(tx)
      return answer(tx, args)
    })
  )

export const write = database.reducer(reducers.write, guarded(attempts.once(log.write)))
export const apply_rows = database.reducer(reducers.apply_rows, guarded(attempts.once(readModel.applyRows)))
export const forget_rows = database.reducer(reducers.forget_rows, guarded(readModel.forgetRows))
export const report_device = database.reducer(reducers.report_device, guarded(presence.reportDevice))
export const report_presence = database.reducer(reducers.report_presence, guarded(presence.reportPresence))
export const allow_writer = database.reducer(reducers.allow_writer, access.allowWriter)
export const dismiss_writer = database.reducer(reducers.dismiss_writer, access.dismissWriter)

export const module_version = answering(procedures.module_version, () => ({
  version: VERSION,
  oldestClient: OLDEST_CLIENT
}))
export const read_stream = answering(procedures.read_stream, feed.readStream)
export const read_feed = answering(procedures.read_feed, feed.readFeed)
export const feed_head = answering(procedures.feed_head, head)
export const find_event = answering(procedures.find_event, feed.findEvent)
export const find_record = answering(procedures.find_record, records.findRecord)
export const list_records = answering(procedures.list_records, feed.listRecords)
export const settle_write = answering(procedures.settle_write, attempts.settleWrite)
export const read_cursor = answering(procedures.read_cursor, readModel.cursorOf)
export const get_rows = answering(procedures.get_rows, readModel.getRows)
export const find_rows = answering(procedures.find_rows, readModel.findRows)
export const heard_of = answering(procedures.heard_of, presence.presenceOf)
export const presence_of = answering(procedures.presence_of, presence.presenceOf)
