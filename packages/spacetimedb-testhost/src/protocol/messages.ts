/**
 * The messages of SpacetimeDB's WebSocket protocol v2 (v3 concatenates them in one frame), as the official client SDK
 * reads and writes them; the SDK does not export its own description.
 */
import { type Infer, t } from "spacetimedb"

const QuerySetId = t.object("QuerySetId", { id: t.u32() })

export const ClientMessage = t.enum("ClientMessage", {
  Subscribe: t.object("Subscribe", {
    requestId: t.u32(),
    querySetId: QuerySetId,
    queryStrings: t.array(t.string())
  }),
  Unsubscribe: t.object("Unsubscribe", {
    requestId: t.u32(),
    querySetId: QuerySetId,
    flags: t.enum("UnsubscribeFlags", { Default: t.unit(), SendDroppedRows: t.unit() })
  }),
  OneOffQuery: t.object("OneOffQuery", { requestId: t.u32(), queryString: t.string() }),
  CallReducer: t.object("CallReducer", {
    requestId: t.u32(),
    flags: t.u8(),
    reducer: t.string(),
    args: t.byteArray()
  }),
  CallProcedure: t.object("CallProcedure", {
    requestId: t.u32(),
    flags: t.u8(),
    procedure: t.string(),
    args: t.byteArray()
  })
})
export type ClientMessage = Infer<typeof ClientMessage>

const BsatnRowList = t.object("BsatnRowList", {
  sizeHint: t.enum("RowSizeHint", { FixedSize: t.u16(), RowOffsets: t.array(t.u64()) }),
  rowsData: t.byteArray()
})
export type BsatnRowList = Infer<typeof BsatnRowList>

const QueryRows = t.object("QueryRows", {
  tables: t.array(t.object("SingleTableRows", { table: t.string(), rows: BsatnRowList }))
})
export type QueryRows = Infer<typeof QueryRows>

const TransactionUpdate = t.object("TransactionUpdate", {
  querySets: t.array(
    t.object("QuerySetUpdate", {
      querySetId: QuerySetId,
      tables: t.array(
        t.object("TableUpdate", {
          tableName: t.string(),
          rows: t.array(
            t.enum("TableUpdateRows", {
              PersistentTable: t.object("PersistentTableRows", { inserts: BsatnRowList, deletes: BsatnRowList }),
              EventTable: t.object("EventTableRows", { events: BsatnRowList })
            })
          )
        })
      )
    })
  )
})
export type TransactionUpdate = Infer<typeof TransactionUpdate>

export const ServerMessage = t.enum("ServerMessage", {
  InitialConnection: t.object("InitialConnection", {
    identity: t.identity(),
    connectionId: t.connectionId(),
    token: t.string()
  }),
  SubscribeApplied: t.object("SubscribeApplied", { requestId: t.u32(), querySetId: QuerySetId, rows: QueryRows }),
  UnsubscribeApplied: t.object("UnsubscribeApplied", {
    requestId: t.u32(),
    querySetId: QuerySetId,
    rows: t.option(QueryRows)
  }),
  SubscriptionError: t.object("SubscriptionError", {
    requestId: t.option(t.u32()),
    querySetId: QuerySetId,
    error: t.string()
  }),
  TransactionUpdate,
  OneOffQueryResult: t.object("OneOffQueryResult", {
    requestId: t.u32(),
    result: t.enum("QueryResult", { Ok: QueryRows, Err: t.string() })
  }),
  ReducerResult: t.object("ReducerResult", {
    requestId: t.u32(),
    timestamp: t.timestamp(),
    result: t.enum("ReducerOutcome", {
      Ok: t.object("ReducerOk", { retValue: t.byteArray(), transactionUpdate: TransactionUpdate }),
      OkEmpty: t.unit(),
      Err: t.byteArray(),
      InternalError: t.string()
    })
  }),
  ProcedureResult: t.object("ProcedureResult", {
    status: t.enum("ProcedureStatus", { Returned: t.byteArray(), InternalError: t.string() }),
    timestamp: t.timestamp(),
    totalHostExecutionDuration: t.timeDuration(),
    requestId: t.u32()
  })
})
export type ServerMessage = Infer<typeof ServerMessage>
