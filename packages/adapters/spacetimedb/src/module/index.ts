/** The module that `spacetime publish` takes: its tables, and who may call what. Exports nothing else. */
import * as access from "./access.ts"
import { database, head, procedures, reducers, type Transaction } from "./database.ts"
import * as attempts from "./attempts.ts"
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
const reading =
  <Args, A>(read: (tx: Transaction, args: Args) => A) =>
  (ctx: { withTx: (body: (tx: Transaction) => A) => A }, args: Args): A =>
    ctx.withTx((tx) => {
      access.requireWriter(tx)
      return read(tx, args)
    })

export const write = database.reducer(reducers.write, guarded(attempts.once(log.write)))
export const apply_rows = database.reducer(reducers.apply_rows, guarded(attempts.once(readModel.applyRows)))
export const forget_rows = database.reducer(reducers.forget_rows, guarded(readModel.forgetRows))
export const report_device = database.reducer(reducers.report_device, guarded(presence.reportDevice))
export const allow_writer = database.reducer(reducers.allow_writer, access.allowWriter)
export const dismiss_writer = database.reducer(reducers.dismiss_writer, access.dismissWriter)

export const read_stream = database.procedure(
  procedures.read_stream.params,
  procedures.read_stream.returns,
  reading(feed.readStream)
)
export const read_feed = database.procedure(
  procedures.read_feed.params,
  procedures.read_feed.returns,
  reading(feed.readFeed)
)
export const feed_head = database.procedure(procedures.feed_head.params, procedures.feed_head.returns, reading(head))
export const find_event = database.procedure(
  procedures.find_event.params,
  procedures.find_event.returns,
  reading(feed.findEvent)
)
export const find_record = database.procedure(
  procedures.find_record.params,
  procedures.find_record.returns,
  reading(records.findRecord)
)
export const list_records = database.procedure(
  procedures.list_records.params,
  procedures.list_records.returns,
  reading(feed.listRecords)
)
export const settle_write = database.procedure(
  procedures.settle_write.params,
  procedures.settle_write.returns,
  reading(attempts.settleWrite)
)
export const read_cursor = database.procedure(
  procedures.read_cursor.params,
  procedures.read_cursor.returns,
  reading(readModel.cursorOf)
)
export const get_rows = database.procedure(
  procedures.get_rows.params,
  procedures.get_rows.returns,
  reading(readModel.getRows)
)
export const find_rows = database.procedure(
  procedures.find_rows.params,
  procedures.find_rows.returns,
  reading(readModel.findRows)
)
export const heard_of = database.procedure(
  procedures.heard_of.params,
  procedures.heard_of.returns,
  reading(presence.heardOf)
)
