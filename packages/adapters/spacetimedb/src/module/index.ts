/** The module that `spacetime publish` takes: its tables, and who may call what. Exports nothing else. */
import * as access from "./access.ts"
import { database, procedures, reducers, type Transaction } from "./database.ts"
import * as feed from "./feed.ts"
import * as readModel from "./readModel.ts"
import * as log from "./write.ts"

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

export const write = database.reducer(reducers.write, guarded(log.write))
export const apply_rows = database.reducer(reducers.apply_rows, guarded(readModel.applyRows))
export const forget_rows = database.reducer(reducers.forget_rows, guarded(readModel.forgetRows))
export const report_device = database.reducer(reducers.report_device, guarded(readModel.reportDevice))
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
export const feed_head = database.procedure(
  procedures.feed_head.params,
  procedures.feed_head.returns,
  reading(feed.feedHead)
)
export const find_event = database.procedure(
  procedures.find_event.params,
  procedures.find_event.returns,
  reading(feed.findEvent)
)
export const find_record = database.procedure(
  procedures.find_record.params,
  procedures.find_record.returns,
  reading(log.findRecord)
)
export const list_records = database.procedure(
  procedures.list_records.params,
  procedures.list_records.returns,
  reading(feed.listRecords)
)
export const settle_write = database.procedure(
  procedures.settle_write.params,
  procedures.settle_write.returns,
  reading(log.settleWrite)
)
export const device_rows = database.procedure(
  procedures.device_rows.params,
  procedures.device_rows.returns,
  reading(readModel.deviceRows)
)
export const owned_devices = database.procedure(
  procedures.owned_devices.params,
  procedures.owned_devices.returns,
  reading(readModel.ownedDevices)
)
export const devices = database.procedure(
  procedures.devices.params,
  procedures.devices.returns,
  reading(readModel.devices)
)
export const locks_of_organization = database.procedure(
  procedures.locks_of_organization.params,
  procedures.locks_of_organization.returns,
  reading(readModel.locksOfOrganization)
)
export const lock_of_thing = database.procedure(
  procedures.lock_of_thing.params,
  procedures.lock_of_thing.returns,
  reading(readModel.lockOfThing)
)
export const lock_of_temp_key = database.procedure(
  procedures.lock_of_temp_key.params,
  procedures.lock_of_temp_key.returns,
  reading(readModel.lockOfTempKey)
)
export const is_known_user = database.procedure(
  procedures.is_known_user.params,
  procedures.is_known_user.returns,
  reading(readModel.isKnownUser)
)
export const is_user_of = database.procedure(
  procedures.is_user_of.params,
  procedures.is_user_of.returns,
  reading(readModel.isUserOf)
)
export const is_online = database.procedure(
  procedures.is_online.params,
  procedures.is_online.returns,
  reading(readModel.isOnline)
)
