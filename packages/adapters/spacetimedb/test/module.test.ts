/** The bundle, as it is published: what it needs of the place where it runs, and whom it lets in. */
import { createContext, SourceTextModule, SyntheticModule } from "node:vm"
