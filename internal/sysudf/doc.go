// Package sysudf holds the functions of the house that the official command line
// and dashboards call over the sockets and routes of user functions: everything
// below "_system/", one file each.
//
// It is for deployment, which hands them to udf. All of them are queries for
// admins only, as udf sees to; they read through the transaction they are given,
// so that a client may watch them. They never show tables of the house.
package sysudf
