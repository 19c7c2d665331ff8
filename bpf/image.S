/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embeds one compiled BPF object and lists it in the section tapio_images, where
 * collect/image.c finds it by name. Built once per object, with IMAGE_FILE and IMAGE_NAME.
 */
	.section .rodata.image, "a"
	.balign 8
image:	.incbin IMAGE_FILE
image_end:
name:	.asciz IMAGE_NAME

	.section tapio_images, "aw"
	.balign 8
	.quad name
	.quad image
	.quad image_end - image

	.section .note.GNU-stack, "", %progbits
