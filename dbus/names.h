/*
 * Names of cvmd on the bus, for both ends; the methods and properties stand in dbus/org.cvmd1.xml.
 *
 * A refusal is a D-Bus error named like its code's D-Bus name ("org.cvmd1.Error.NoVM", base/codes.h), whose
 * message is the sentence; the remedy follows from the code.
 */
#pragma once

#define CVMD_BUS_NAME "org.cvmd1"
#define CVMD_PATH "/org/cvmd1"
#define CVMD_VM_PATH CVMD_PATH "/vm"               /* then the uuid with '_' for '-' */
#define CVMD_OPERATION_PATH CVMD_PATH "/operation" /* then its number */

/* GetAudit gives at most so many rows: whoever gets as many asks again from the last of them. */
#define CVMD_AUDIT_ROWS 20000

#define CVMD_MANAGER_INTERFACE "org.cvmd1.Manager"
#define CVMD_VM_INTERFACE "org.cvmd1.VM"
#define CVMD_OPERATION_INTERFACE "org.cvmd1.Operation"
