// SPDX-License-Identifier: Apache-2.0
/* The init program, whole, inside minirun. */
#ifdef __CET__
#include <cet.h> /* data alone, but an object without the marks takes them from the whole */
#endif
    .section .rodata.minirun_init, "a"
    .balign 16
    .globl minirun_init_image
    .globl minirun_init_image_end
    .hidden minirun_init_image
    .hidden minirun_init_image_end
minirun_init_image:
    .incbin MINIRUN_INIT_PROGRAM
minirun_init_image_end:
    .section .note.GNU-stack, "", %progbits
