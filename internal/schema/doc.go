// Package schema holds what developers declare about their data: validators,
// tables and index definitions; it checks values and documents against them and
// compares one schema with the next.
//
// It is for the rooms that run functions, enforce documents and push code. All
// types are immutable after parsing and safe to share. Invariants:
//
//   - ParseValidator(v.JSON()) is v, and JSON is canonical.
//   - A Schema that ParseSchema returned keeps every rule for tables and
//     indexes; nothing needs to check them again.
//   - Check never changes or keeps the value.
//
// Texts of mismatches are those the official libraries' users know. Which table
// an id belongs to is asked of a Tables; the package knows no transactions.
package schema
